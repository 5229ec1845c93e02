"""Measuring: every result is kept and taken again, and only what is new is done."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation.measuring import Bench
from evaluation.methods import Lanczos, Pasd, resized
from evaluation.metrics import METRICS, Judge, gather_weights
from evaluation.photo_sets import PHOTO_SETS, Sample, Samples, make_sample
from evaluation.real_esrgan import RealEsrgan
from evaluation.store import DEGRADED, ORIGINAL, Store
from PIL import Image

from pasd_batch.evaluation.degraded import on_8_bit_grid
from pasd_batch.metrics.grid import GRID_SCORES

QUICK = ("sampling.steps=1", "sampling.min_short_side=64", "sampling.guidance_scale=1", "model.device=cpu")


class CountingJudge(Judge):
    """Scores that need no metric library."""

    def __init__(self, names: Sequence[str], asked: list[str]) -> None:
        self.names = tuple(names)
        self.source = "test 1"
        self.asked = asked

    def score(self, restored: np.ndarray, sample: Sample, names: Sequence[str]) -> dict[str, float | None]:
        self.asked += names
        return {name: float(np.abs(restored - sample.original).mean()) for name in names}


class CountingLanczos(Lanczos):
    """Lanczos that remembers what it was given."""

    def __init__(self) -> None:
        self.restored: list[str] = []

    def restore(self, sample: Sample) -> np.ndarray:
        self.restored.append(sample.key.photo)
        return super().restore(sample)


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    paths = []
    for number in range(2):
        levels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        paths.append(tmp_path / f"photo_{number}.png")
        Image.fromarray(levels).resize((64, 64), Image.Resampling.BICUBIC).save(paths[-1])
    return Samples(paths, PHOTO_SETS["x4-full"])


def test_a_second_measurement_only_does_what_is_new(samples: Samples, tmp_path: Path) -> None:
    store, method, asked = Store(tmp_path / "results"), CountingLanczos(), []
    first = Bench(store, CountingJudge(["psnr"], asked)).measure(samples, [method])
    again = Bench(store, CountingJudge(["psnr", "piqe"], asked)).measure(samples, [method])
    assert method.restored == ["photo_0", "photo_1"]
    assert asked == ["psnr", "psnr", "piqe", "piqe"]
    assert [each.scores["psnr"] for each in first] == [each.scores["psnr"] for each in again]
    assert [each.seconds for each in first] == [each.seconds for each in again]


def test_what_is_kept_is_the_pictures_themselves(samples: Samples, tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    Bench(store, CountingJudge([], [])).measure(samples, [Lanczos()])
    for sample in samples:
        for name, picture in (
            (DEGRADED, sample.degraded),
            (ORIGINAL, sample.original),
            ("lanczos", on_8_bit_grid(Lanczos().restore(sample))),
        ):
            kept = store.picture(sample.key, name)
            assert kept is not None
            assert np.array_equal(kept, picture)


def test_other_seeds_and_fresh_methods_are_done_again(samples: Samples, tmp_path: Path) -> None:
    bench, method = Bench(Store(tmp_path / "results"), CountingJudge([], [])), CountingLanczos()
    bench.measure(samples, [method])
    bench.measure(replace(samples, seed=1), [method])
    replace(bench, fresh=("lan",)).measure(samples, [method])
    assert method.restored == ["photo_0", "photo_1"] * 3


def test_times_can_be_taken_again_of_a_few_photos(samples: Samples, tmp_path: Path) -> None:
    bench, method = Bench(Store(tmp_path / "results"), CountingJudge([], []), timed=1), CountingLanczos()
    found = bench.measure(samples, [method])
    assert method.restored == ["photo_0", "photo_0", "photo_1"]
    assert found[0].seconds is not None
    assert found[1].seconds is None


def test_pasd_restores_to_the_originals_size_and_its_key_names_model_and_settings(tiny_model_folder: Path) -> None:
    model = Pasd.load("tiny", tiny_model_folder, QUICK)
    levels = np.random.default_rng(3).random((64, 64, 3)).astype(np.float32)
    for name in ("x4-full", "old-photo"):
        sample = make_sample(levels, PHOTO_SETS[name], photo="a", seed=5)
        assert model.restore(sample).shape == sample.original.shape
    other = Pasd.load("two steps", tiny_model_folder, [*QUICK, "sampling.steps=2"])
    assert len({model.key, other.key, Pasd.load("same", tiny_model_folder, QUICK).key}) == 2


def test_tiles_of_real_esrgan_meet_without_a_seam() -> None:
    class Enlarging(RealEsrgan):
        def __init__(self) -> None:
            pass

        def _tile(self, picture: np.ndarray) -> np.ndarray:
            return np.kron(picture, np.ones((4, 4, 1), dtype=np.float32))

    picture = np.random.default_rng(0).random((200, 410, 3)).astype(np.float32)
    assert np.array_equal(Enlarging().enlarged(picture), np.kron(picture, np.ones((4, 4, 1), dtype=np.float32)))
    assert Enlarging().enlarged(picture[:1, :5]).shape == (4, 20, 3)


def test_shrinking_filters_against_aliasing() -> None:
    stripes = np.zeros((32, 32, 3), dtype=np.float32)
    stripes[:, ::2] = 1.0
    assert np.abs(resized(stripes, (8, 8))[2:-2, 2:-2] - 0.5).max() < 0.02


def test_missing_metric_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="NIQE needs --niqe-parameters"):
        gather_weights(tmp_path, ["niqe"], None)
    parameters = tmp_path / "parameters.mat"
    parameters.write_bytes(b"parameters")
    gather_weights(tmp_path, ["niqe"], parameters)
    assert (tmp_path / "hub" / "pyiqa" / "niqe_modelparameters.mat").read_bytes() == b"parameters"
    with pytest.raises(SystemExit, match="metrics sharpness are not known; known are psnr"):
        Judge.build(["sharpness"], weights=tmp_path, niqe_parameters=None)
    assert list(METRICS) == ["psnr", "ssim", "ms_ssim", "fsim", "gmsd", "vif", "stlpips", "niqe", "piqe", *GRID_SCORES]


def test_the_grid_is_measured_against_the_original(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    levels = np.random.default_rng(4).random((256, 256, 3)).astype(np.float32)
    judge = Judge.build(list(GRID_SCORES), weights=tmp_path, niqe_parameters=None)
    sample = make_sample(levels, PHOTO_SETS["x4-full"], photo="a", seed=5)
    assert judge.score(sample.original, sample, list(GRID_SCORES)) == pytest.approx(
        {"grid_flat": 1.0, "grid_edges": 1.0}
    )
    small = make_sample(levels[:128], PHOTO_SETS["x4-full"], photo="b", seed=5)
    assert judge.score(small.original, small, ["grid_flat"]) == {"grid_flat": None}
    assert "x4-full b: no grid_flat: 256 x 128 pixels is less than the 256" in capsys.readouterr().err
