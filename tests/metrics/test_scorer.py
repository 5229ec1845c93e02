import numpy as np
import pytest
from PIL import Image
from pyiqa.default_model_configs import DEFAULT_CONFIGS
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from pasd_batch.config.metrics import Baseline, MetricsSettings
from pasd_batch.metrics.meanings import METRIC_MEANINGS
from pasd_batch.metrics.scorer import Scorer
from pasd_batch.metrics.weights import METRIC_NEEDS
from pasd_batch.records import Score

SETTINGS = MetricsSettings(
    no_reference=("piqe", "entropy"), full_reference=("psnr", "ms_ssim", "gmsd"), device="cpu", max_pixels=400_000
)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return (data.astronaut()[:176, 100:420] / 255).astype(np.float32)


@pytest.fixture(scope="module")
def restored(photo) -> np.ndarray:
    return np.repeat(np.repeat(photo, 2, axis=0), 2, axis=1)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer.from_settings(SETTINGS)


def _by_name(scores: list[Score]) -> dict[str, Score]:
    return {score.name: score for score in scores}


def test_columns_say_what_scores_mean(scorer):
    columns = {column.name: column for column in scorer.columns}
    assert list(columns) == [
        "piqe_input",
        "piqe_before",
        "piqe_after",
        "entropy_input",
        "entropy_before",
        "entropy_after",
        "psnr_before",
        "psnr",
        "ms_ssim_before",
        "ms_ssim",
        "gmsd_before",
        "gmsd",
        "fidelity_psnr",
        "fidelity_ssim",
        "fidelity_color_difference",
    ]
    better = {name: column.higher_is_better for name, column in columns.items()}
    assert not better["piqe_after"]
    assert not better["gmsd"]
    assert not better["fidelity_color_difference"]
    assert better["psnr"]
    assert columns["piqe_after"].source.startswith("pyiqa 0.")
    assert all(column.description and column.source for column in columns.values())


def test_there_is_one_score_for_each_column(scorer, photo, restored):
    for reference in (None, photo):
        for result in (None, restored):
            scores = scorer.score(photo, result, reference)
            assert [score.name for score in scores] == [column.name for column in scorer.columns]


def test_scores_before_after_and_against_the_reference(scorer, photo, restored):
    noisy = np.clip(photo + np.random.default_rng(0).normal(0, 0.1, photo.shape), 0, 1).astype(np.float32)
    scores = _by_name(scorer.score(noisy, restored, photo))
    assert all(score.value is not None and score.error is None for score in scores.values())
    assert scores["entropy_before"].value != scores["entropy_after"].value
    assert scores["ms_ssim"].value > 0.99
    assert scores["fidelity_psnr"].value == pytest.approx(
        peak_signal_noise_ratio(noisy, photo, data_range=1.0), abs=0.5
    )
    assert 0 < scores["fidelity_color_difference"].value < 30


def test_an_invented_photo_cannot_hide(scorer, photo, restored):
    invented = np.ascontiguousarray(restored[::-1])
    true, false = (_by_name(scorer.score(photo, result, None)) for result in (restored, invented))
    assert false["piqe_after"].value == pytest.approx(true["piqe_after"].value, rel=0.2)
    assert false["fidelity_psnr"].value < true["fidelity_psnr"].value - 20


def test_without_a_reference_there_is_no_score_and_no_error(scorer, photo, restored):
    scores = _by_name(scorer.score(photo, restored, None))
    assert scores["psnr"] == Score("psnr", None)


def test_photos_and_references_of_other_shapes_are_not_compared(scorer, photo, restored):
    scores = _by_name(scorer.score(photo, restored, photo[:, :200]))
    assert "other proportions (640 x 352 and 200 x 176 pixels)" in scores["psnr"].error
    nearly = _by_name(scorer.score(photo, restored, photo[:175]))
    assert nearly["psnr"].value is not None


def test_too_small_and_too_large_photos_have_no_score_but_a_reason(scorer, photo):
    tiny = photo[:9, :12]
    scores = _by_name(scorer.score(tiny, tiny, tiny))
    assert scores["piqe_after"] == Score("piqe_after", None, "12 x 9 pixels is less than the 16 a side that it needs")
    assert scores["ms_ssim"].value is None
    assert scores["psnr"].value is not None
    assert "SSIM's window" in scores["fidelity_ssim"].error
    assert scores["fidelity_psnr"].value == 100.0

    huge = np.tile(photo, (3, 3, 1))
    scores = _by_name(scorer.score(huge, huge, huge))
    assert "more than metrics.max_pixels 400,000" in scores["piqe_before"].error
    assert "more than metrics.max_pixels 400,000" in scores["psnr"].error
    assert scores["fidelity_ssim"].value == pytest.approx(1.0)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (8, 8), (31, 33), (200, 17)])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_odd_and_flat_photos_crash_nothing(size, value):
    every = MetricsSettings(
        no_reference=("piqe", "entropy"),
        full_reference=("psnr", "psnry", "ssim", "ssimc", "ms_ssim", "fsim", "gmsd", "vif", "vsi", "nlpd", "cw_ssim"),
        device="cpu",
    )
    flat = np.full((*size, 3), value, np.float32)
    for score in Scorer.from_settings(every).score(flat, flat, flat):
        assert (score.value is None) == (score.error is not None)
        assert score.value is None or np.isfinite(score.value)


def test_a_photos_scores_do_not_depend_on_others(scorer, photo, restored):
    alone = scorer.score(photo, restored, photo)
    scorer.score(photo[:100], restored[:150], photo[:, :300])
    assert scorer.score(photo, restored, photo) == alone


def test_a_run_that_only_scores_has_plain_names(photo):
    scorer = Scorer.from_settings(SETTINGS, restores=False)
    assert [column.name for column in scorer.columns] == ["piqe", "entropy", "psnr", "ms_ssim", "gmsd"]
    scores = _by_name(scorer.score(photo, None, photo))
    assert all(score.value is not None for score in scores.values())
    assert scores["ms_ssim"].value == pytest.approx(1.0)


def test_fidelity_is_scored_without_metrics(photo, restored):
    scorer = Scorer.from_settings(MetricsSettings(no_reference=(), full_reference=()))
    assert [score.name for score in scorer.score(photo, restored, None)] == [
        "fidelity_psnr",
        "fidelity_ssim",
        "fidelity_color_difference",
    ]


def test_before_is_the_input_at_the_results_size(scorer, photo):
    """Enlarging alone changes no score, however much it changes those of the input as it is."""
    small = photo[::2, ::2]
    enlarged = _lanczos(small, photo.shape[1], photo.shape[0])
    scores = _by_name(scorer.score(small, enlarged, photo))
    for after, before in {"piqe_after": "piqe_before", "psnr": "psnr_before", "gmsd": "gmsd_before"}.items():
        assert scores[after].value == pytest.approx(scores[before].value, rel=1e-6), after
    assert abs(scores["piqe_input"].value - scores["piqe_before"].value) > 1
    assert scores["psnr_before"].value == pytest.approx(
        peak_signal_noise_ratio(photo, enlarged, data_range=1.0), abs=0.1
    )


def test_without_a_baseline_only_the_result_is_compared_with_the_reference(photo, restored):
    settings = SETTINGS.model_copy(update={"baseline": Baseline.NONE, "no_reference": ("piqe",)})
    names = [column.name for column in Scorer.from_settings(settings).columns]
    assert names[:6] == ["piqe_input", "piqe_before", "piqe_after", "psnr", "ms_ssim", "gmsd"]
    scores = Scorer.from_settings(settings).score(photo, restored, photo)
    assert [score.name for score in scores] == names


def _lanczos(photo: np.ndarray, width: int, height: int) -> np.ndarray:
    levels = [
        Image.fromarray(photo[..., channel]).resize((width, height), Image.Resampling.LANCZOS) for channel in range(3)
    ]
    return np.clip(np.stack([np.asarray(level) for level in levels], axis=2), 0, 1)


def test_every_metric_has_a_plain_meaning_with_its_range():
    assert METRIC_MEANINGS.keys() == METRIC_NEEDS.keys()
    for name, meaning in METRIC_MEANINGS.items():
        if name in DEFAULT_CONFIGS and name not in RANGES_OF_OUR_OWN:
            stated = _in_words(DEFAULT_CONFIGS[name]["score_range"])
            assert f"; {stated}" in meaning, (name, stated, meaning)


RANGES_OF_OUR_OWN = {
    "psnr": "equal photos have 80",
    "nlpd": "0 to 1",
    "pi": "about 0 and more",
    "wadiqam_fr": "pyiqa's table gives that of its loss",
}
"""Metrics whose range in pyiqa's table says less, or is not one."""


def _in_words(score_range: str) -> str:
    """`~0, ~100` as `about 0 to 100`."""
    low, high = (end.strip() for end in score_range.split(","))
    if high == "~":
        return f"from {low} up"
    if low == "~":
        return f"up to {high}"
    about = "about " if low.startswith("~") else ""
    return f"{about}{low.strip('~')} to {'about ' if high.startswith('~') and not about else ''}{high.strip('~')}"
