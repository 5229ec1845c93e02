"""Sets of degraded photos: reproducible, of the right sizes, chosen by seed and name alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation.photo_sets import PHOTO_SETS, Samples, choose_photos, make_sample
from PIL import Image

from pasd_batch.config.old_photo import OldPhotoSettings, ToneSettings
from pasd_batch.degradation.chain import degrade_photo
from pasd_batch.evaluation.degraded import cropped, on_8_bit_grid


def photo(height: int = 64, width: int = 96, seed: int = 1) -> np.ndarray:
    values = np.random.default_rng(seed).random((height // 8, width // 8, 3))
    return on_8_bit_grid(np.kron(values, np.ones((8, 8, 1))).astype(np.float32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(6):
        Image.fromarray((photo(seed=number) * 255).astype(np.uint8)).save(tmp_path / f"photo_{number}.png")
    (tmp_path / "notes.txt").write_text("no photo")
    return tmp_path


@pytest.mark.parametrize("name", PHOTO_SETS)
def test_a_seed_gives_the_same_pictures_every_time(name: str) -> None:
    first, again, other = (make_sample(photo(), PHOTO_SETS[name], photo="a", seed=seed) for seed in (5, 5, 6))
    assert first.key == again.key
    assert np.array_equal(first.degraded, again.degraded)
    assert np.array_equal(first.original, again.original)
    if name != "x2-bicubic":  # nothing is drawn there
        assert first.key.pixels != other.key.pixels


@pytest.mark.parametrize("name", PHOTO_SETS)
def test_degraded_pictures_are_smaller_by_the_scale_and_on_the_8_bit_grid(name: str) -> None:
    sample = make_sample(photo(), PHOTO_SETS[name], photo="a", seed=5)
    scale = PHOTO_SETS[name].scale
    assert sample.degraded.shape == (64 // scale, 96 // scale, 3)
    assert sample.original.shape == (64, 96, 3)
    assert np.array_equal(on_8_bit_grid(sample.degraded), sample.degraded)
    assert (sample.key.degraded_size.width, sample.key.original_size.height) == (96 // scale, 64)


def test_a_sample_is_what_degrading_a_photo_from_its_seed_gives() -> None:
    photo_set = PHOTO_SETS["x4-full"]
    sample = make_sample(photo(), photo_set, photo="a", seed=11)
    clean = torch.from_numpy(photo().transpose(2, 0, 1).copy())
    expected = degrade_photo(clean, seed=11, settings=photo_set.degradation).numpy().transpose(1, 2, 0)
    assert np.array_equal(sample.degraded, on_8_bit_grid(expected))


def test_an_old_photo_in_black_and_white_is_compared_with_the_photo_in_grey() -> None:
    photo_set = PHOTO_SETS["old-photo"]
    always = OldPhotoSettings(tone=ToneSettings(monochrome_probability=1.0))
    gray = make_sample(photo(), type(photo_set)("old", "old", always, 1), photo="a", seed=3)
    never = OldPhotoSettings(tone=ToneSettings(monochrome_probability=0.0))
    color = make_sample(photo(), type(photo_set)("old", "old", never, 1), photo="a", seed=3)
    assert np.ptp(gray.original, axis=2).max() == 0.0
    assert np.array_equal(color.original, photo())


def test_each_photo_of_each_set_has_a_seed_of_its_own(folder: Path) -> None:
    photos = choose_photos(folder)
    seeds = [
        sample.key.seed for name in ("x4-full", "x4-half") for sample in Samples(photos, PHOTO_SETS[name], crop=32)
    ]
    assert len(set(seeds)) == 12
    assert seeds[:6] == [sample.key.seed for sample in Samples(photos, PHOTO_SETS["x4-full"], crop=64)]


def test_a_smaller_choice_is_part_of_a_larger_one(folder: Path) -> None:
    chosen = [{path.name for path in choose_photos(folder, count=count, seed=4)} for count in (2, 3, 6)]
    assert chosen[0] < chosen[1] < chosen[2]
    assert [path.name for path in choose_photos(folder, pattern="*_3*")] == ["photo_3.png"]


def test_too_few_photos_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="7 photos were asked for, but there are only 6"):
        choose_photos(folder, count=7)
    with pytest.raises(FileNotFoundError, match=r"no photo fits '\*\.gif'"):
        choose_photos(folder, pattern="*.gif")


def test_crops_are_from_the_middle_in_multiples_that_every_part_needs() -> None:
    picture = np.arange(50 * 61, dtype=np.float32).reshape(50, 61, 1)
    assert cropped(picture, 4, None).shape == (48, 56, 1)
    middle = cropped(picture, 4, 20)
    assert middle.shape == (16, 16, 1)
    assert middle[0, 0, 0] == picture[17, 22, 0]
    with pytest.raises(ValueError, match="7 pixels a side are less than the 8"):
        cropped(picture, 2, 7)
