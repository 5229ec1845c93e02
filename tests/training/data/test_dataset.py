"""Training samples: reproducible one by one, cut as published."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torch import Tensor

from pasd_batch.config.degradation import BicubicSettings, GrayscaleSettings
from pasd_batch.config.training_samples import SampleSettings
from pasd_batch.degradation.draws import Draws
from pasd_batch.photos.photo_io import decode_photo, to_tensor
from pasd_batch.training.data.crops import augment, enlarge_to, sample_augmentation
from pasd_batch.training.data.dataset import (
    EncodedPhoto,
    PhotoTooSmall,
    TrainingSample,
    collate,
    make_sample,
    sample_seed,
)

SETTINGS = SampleSettings(crop_size=64)


def png(photo: Tensor) -> bytes:
    buffer = io.BytesIO()
    pixels = (photo * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def encoded(photo: Tensor, count: int) -> list[EncodedPhoto]:
    data = png(photo)
    return [EncodedPhoto(f"photo-{index}", data, f"caption {index}") for index in range(count)]


def made(photos: list[EncodedPhoto], *, epoch: int = 0, settings: SampleSettings = SETTINGS) -> list[TrainingSample]:
    return [
        make_sample(
            to_tensor(decode_photo(photo.data, limits=settings.limits)),
            photo.caption,
            name=photo.name,
            seed=sample_seed(1, epoch, photo.name),
            settings=settings,
        )
        for photo in photos
    ]


def test_a_sample_depends_only_on_its_photo_and_seed(photo: Tensor) -> None:
    photos = encoded(photo, 4)
    forwards, backwards = made(photos), made(photos[::-1])[::-1]
    for first, second in zip(forwards, backwards, strict=True):
        assert first.name == second.name
        assert first.caption == second.caption
        assert torch.equal(first.clean, second.clean)
        assert torch.equal(first.degraded, second.degraded)
    other_epoch = made(photos, epoch=1)
    assert not torch.equal(forwards[0].degraded, other_epoch[0].degraded)


def test_seeds_differ_and_fit_a_generator() -> None:
    seeds = {sample_seed(run, epoch, name) for run in range(3) for epoch in range(3) for name in ("a", "b", "1/a")}
    assert len(seeds) == 27
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_clean_crop_is_a_piece_of_the_photo_perhaps_mirrored() -> None:
    """In this picture red and green say where a pixel was, so that a crop's corner tells where it comes from."""
    x, y = torch.meshgrid(torch.arange(128.0), torch.arange(96.0), indexing="xy")
    coordinates = torch.stack([x, y, torch.zeros(96, 128)]) / 255.0
    mirrored = set()
    for sample in made(encoded(coordinates, 8)):
        columns, row = sample.clean[0, 0] * 255.0, round(float(sample.clean[1, 0, 0]) * 255.0)
        flipped = float(columns[0]) > float(columns[-1])
        column = round(float(columns.min()))
        piece = coordinates[:, row : row + 64, column : column + 64]
        assert torch.allclose(sample.clean, piece.flip(-1) if flipped else piece, atol=1e-6)
        assert sample.degraded.shape == sample.clean.shape
        mirrored.add(flipped)
    assert mirrored == {True, False}


def test_crops_flips_and_captions_follow_their_probabilities() -> None:
    draws = Draws(torch.Generator().manual_seed(0))
    drawn = [sample_augmentation(SETTINGS, draws, height=66, width=64) for _ in range(2000)]
    assert {each.top for each in drawn} == {0, 1, 2}
    assert {each.left for each in drawn} == {0}
    assert sum(each.flipped for each in drawn) / 2000 == pytest.approx(0.5, abs=0.04)
    assert sum(each.caption_dropped for each in drawn) / 2000 == pytest.approx(0.5, abs=0.04)


def test_flip_mirrors_left_and_right(photo: Tensor) -> None:
    draws = Draws(torch.Generator().manual_seed(0))
    always = SampleSettings(crop_size=64, flip_probability=1.0)
    drawn = sample_augmentation(always, draws, height=96, width=128)
    straight = photo[:, drawn.top : drawn.top + 64, drawn.left : drawn.left + 64]
    assert torch.equal(augment(photo, drawn, side=64).flip(-1), straight)


@pytest.mark.parametrize(("height", "width", "expected"), [(40, 100, (65, 162)), (63, 63, (66, 66)), (64, 9, None)])
def test_small_photos_are_enlarged_as_published(height: int, width: int, expected: tuple[int, int] | None) -> None:
    """Factor 64 / shorter + 0.02, rounded up: 40 x 1.62 = 64.8 -> 65."""
    picture = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))
    large = enlarge_to(picture, 64)
    assert min(large.shape[-2:]) >= 64
    if expected:
        assert tuple(large.shape[-2:]) == expected


def test_large_photos_are_not_touched(photo: Tensor) -> None:
    assert enlarge_to(photo, 96) is photo


def test_enlarging_is_pillows_bicubic(photo: Tensor) -> None:
    """Within two levels: Pillow rounds to 8 bit between its two passes."""
    large = enlarge_to(photo, 128)
    pixels = (photo * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    pillow = Image.fromarray(pixels).resize((large.shape[-1], large.shape[-2]), Image.Resampling.BICUBIC)
    expected = torch.from_numpy(np.asarray(pillow).copy()).permute(2, 0, 1).float()
    assert float((large * 255 - expected).abs().max()) <= 2.0


def test_too_small_names_size_and_setting(photo: Tensor) -> None:
    with pytest.raises(PhotoTooSmall, match=r"128x50 pixels .* at least 64 \(smallest_side\)"):
        make_sample(photo[:, :50], "", name="x", seed=0, settings=SETTINGS)


def test_colorization_reads_gray_and_aims_at_colour(photo: Tensor) -> None:
    (sample,) = made(encoded(photo, 1), settings=SampleSettings(crop_size=64, degradation=GrayscaleSettings()))
    assert torch.equal(sample.degraded[0], sample.degraded[2])
    assert not torch.equal(sample.clean[0], sample.clean[2])


def test_batches_are_in_the_networks_ranges(photo: Tensor) -> None:
    samples = made(encoded(photo, 2))
    first = collate(samples)
    assert first.names == ("photo-0", "photo-1")
    assert first.clean.shape == first.degraded.shape == (2, 3, 64, 64)
    assert torch.equal(first.clean, 2.0 * torch.stack([sample.clean for sample in samples]) - 1.0)
    assert float(first.clean.min()) < 0.0 <= float(first.degraded.min())
    moved = collate(samples[:1]).to(torch.device("cpu"))
    assert moved.captions == (samples[0].caption,)


def test_settings_that_cannot_train_are_refused() -> None:
    with pytest.raises(ValidationError, match="input and target of one size"):
        SampleSettings(degradation=BicubicSettings(resize_back=False))
    with pytest.raises(ValidationError, match="multiple of 8"):
        SampleSettings(crop_size=100)
