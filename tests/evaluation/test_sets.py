"""Test sets: pairs by name, what is missing named, photos degraded by seeds of their own."""

import numpy as np
import pytest
from tiny_evaluation import write_pairs

from pasd_batch.config.degradation import RealEsrganSettings
from pasd_batch.config.evaluation import EvaluationSettings
from pasd_batch.evaluation.degraded import chosen, degraded_photo
from pasd_batch.evaluation.errors import EvaluationError
from pasd_batch.evaluation.protocols import protocol_of
from pasd_batch.evaluation.sets import photo_pairs
from pasd_batch.evaluation.variant_runs import run_settings
from pasd_batch.storage.storage import Storage

FIELD = ["psnr_ycbcr", "ssim_ycbcr", "lpips", "dists", "fid", "niqe", "musiq", "maniqa-pipal", "clipiqa"]


@pytest.fixture
def pairs(tmp_path):
    return write_pairs(tmp_path / "pairs", 4)


def settings_of(output, *sets, **values):
    return EvaluationSettings.parse({"output": str(output), "sets": list(sets), **values})


def found(settings):
    return photo_pairs(settings, Storage.open(settings.output))


def test_pairs_are_joined_by_name_whatever_their_endings(pairs, tmp_path):
    (pairs / "test_LR" / "0001.png").rename(pairs / "test_LR" / "0001.PNG")
    every = found(settings_of(tmp_path / "out", {"name": "mine", "pairs": str(pairs)}))
    assert [pair.photo_id for pair in every] == [f"mine/000{number}" for number in range(4)]
    assert every[1].uri == str(pairs / "test_LR" / "0001.PNG")
    assert every[1].truth == str(pairs / "test_HR" / "0001.png")
    assert {pair.scale for pair in every} == {2.0}  # as the first pair says


def test_photos_without_a_partner_are_named(pairs, tmp_path):
    (pairs / "test_HR" / "0002.png").unlink()
    with pytest.raises(EvaluationError, match="1 photos are in one of test_LR and test_HR alone, such as 0002"):
        found(settings_of(tmp_path / "out", {"name": "mine", "pairs": str(pairs)}))


def test_a_name_with_two_endings_and_an_empty_folder_are_told(pairs, tmp_path):
    (pairs / "test_LR" / "0001.jpg").write_bytes(b"")
    with pytest.raises(EvaluationError, match="0001 is there with two endings"):
        found(settings_of(tmp_path / "out", {"name": "mine", "pairs": str(pairs)}))
    with pytest.raises(EvaluationError, match="no photo is there"):
        found(settings_of(tmp_path / "out", {"name": "mine", "pairs": str(tmp_path / "none")}))


def test_captions_become_prompts_where_a_variant_takes_them(pairs, tmp_path):
    captions = tmp_path / "captions.csv"
    captions.write_text("uri,prompt\n" + "".join(f"000{number}.png,a house\n" for number in range(4)))
    settings = settings_of(
        tmp_path / "out",
        {"name": "mine", "pairs": str(pairs), "captions": str(captions)},
        variants=[{"name": "with"}, {"name": "without", "captions": False}],
        protocol="product",
    )
    every, storage = found(settings), Storage.open(settings.output)
    assert {pair.prompt for pair in every} == {"a house"}
    manifests = {
        variant.name: run_settings(variant, settings, protocol_of(settings), storage, every).manifest.path
        for variant in settings.all_variants
    }
    assert manifests["with"].endswith("/manifest.parquet")
    assert manifests["without"].endswith("/manifest-without-captions.parquet")


def test_a_run_scores_what_the_protocol_says_beside_plain_enlargement(pairs, tmp_path):
    settings = settings_of(tmp_path / "out", {"name": "mine", "pairs": str(pairs)}, also=["qalign"])
    every, storage = found(settings), Storage.open(settings.output)
    (variant,) = settings.all_variants
    run = run_settings(variant, settings, protocol_of(settings), storage, every)
    assert run.metrics.full_reference == ("psnr_ycbcr", "ssim_ycbcr", "lpips", "dists")
    assert run.metrics.no_reference == ("niqe", "musiq", "maniqa-pipal", "clipiqa", "qalign")
    assert run.metrics.baseline == "lanczos"
    assert protocol_of(settings).of_sets == ("fid",)
    assert str(pairs / "test_LR") in run.storage.allowed_folders
    with pytest.raises(EvaluationError, match="has other photos or captions than the sets have now"):
        run_settings(variant, settings, protocol_of(settings), storage, every[:2])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"also": ["sharpness"]}, "also: sharpness is not known here"),
        ({"without": ["piqe"]}, "without: piqe is not in protocol field"),
        (
            {
                "without": [
                    "psnr_ycbcr",
                    "ssim_ycbcr",
                    "lpips",
                    "dists",
                    "fid",
                    "niqe",
                    "musiq",
                    "maniqa-pipal",
                    "clipiqa",
                ]
            },
            "without leaves no metric",
        ),
    ],
)
def test_metrics_that_a_protocol_cannot_have_are_told(values, told, tmp_path):
    with pytest.raises(EvaluationError, match=told):
        protocol_of(settings_of(tmp_path, {"name": "mine", "pairs": "/data"}, **values))


def test_a_smaller_choice_is_part_of_a_larger_one():
    names = [f"{number:03d}" for number in range(20)]
    few, more = (set(chosen(names, count, seed=3)) for count in (4, 9))
    assert few < more
    assert chosen(reversed(names), None, seed=3) == names
    assert few != set(chosen(names, 4, seed=4))
    with pytest.raises(ValueError, match="21 photos were asked for, but there are only 20"):
        chosen(names, 21, seed=3)


def test_a_photo_is_degraded_alike_by_the_same_seed_alone():
    clean = np.kron(np.random.default_rng(0).random((8, 8, 3)), np.ones((8, 8, 1))).astype(np.float32)
    chain = RealEsrganSettings(scale=4, resize_back=False)
    first, again, other = (degraded_photo(clean, chain, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(first.degraded, again.degraded)
    assert not np.array_equal(first.degraded, other.degraded)
    assert (first.degraded.shape, first.truth.shape) == ((16, 16, 3), (64, 64, 3))
