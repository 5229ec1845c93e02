"""Degrading photos by whichever chain the settings name: reproducible, of the right size, in range."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pasd_batch.config.base import ConfigError
from pasd_batch.config.degradation import (
    BicubicSettings,
    DegradationSettings,
    GrayscaleSettings,
    MixtureSettings,
    RealEsrganSettings,
)
from pasd_batch.config.old_photo import OldPhotoSettings, ToneSettings
from pasd_batch.degradation.chain import degrade_batch, degrade_photo

CHAINS: list[DegradationSettings] = [RealEsrganSettings(), BicubicSettings(), OldPhotoSettings(), GrayscaleSettings()]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("settings", CHAINS, ids=lambda settings: settings.chain)
def test_same_seed_same_picture(photo: Tensor, settings: DegradationSettings) -> None:
    first = degrade_photo(photo, seed=3, settings=settings)
    torch.rand(5)  # the global generator has no part in it
    assert torch.equal(first, degrade_photo(photo, seed=3, settings=settings))
    if not isinstance(settings, BicubicSettings | GrayscaleSettings):
        assert not torch.equal(first, degrade_photo(photo, seed=4, settings=settings))


@pytest.mark.parametrize("settings", CHAINS, ids=lambda settings: settings.chain)
@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 30), (64, 48)])
def test_sizes_and_range(settings: DegradationSettings, height: int, width: int) -> None:
    picture = torch.rand(3, height, width, generator=generator())
    for seed in range(3):
        result = degrade_photo(picture, seed=seed, settings=settings)
        assert result.shape == picture.shape
        assert result.dtype == torch.float32
        assert 0.0 <= float(result.min()) <= float(result.max()) <= 1.0
        assert torch.allclose(result, (result * 255).round() / 255, atol=1e-7)


@pytest.mark.parametrize("settings", CHAINS, ids=lambda settings: settings.chain)
def test_tiny_pictures_are_refused_with_their_size(settings: DegradationSettings) -> None:
    with pytest.raises(ValueError, match="12x7 pixels cannot be degraded; both sides must have at least 8"):
        degrade_photo(torch.zeros(3, 7, 12), seed=0, settings=settings)


def test_small_output_for_evaluation(photo: Tensor) -> None:
    quarter = degrade_photo(photo, seed=0, settings=RealEsrganSettings(resize_back=False))
    half = degrade_photo(photo, seed=0, settings=BicubicSettings(resize_back=False))
    assert quarter.shape == (3, 24, 32)
    assert half.shape == (3, 48, 64)


def test_bicubic_is_antialiased() -> None:
    """Stripes finer than the small picture's pixels must turn grey, not into other stripes."""
    stripes = (torch.arange(64) % 2).float().expand(3, 64, 64)
    small = degrade_photo(stripes, seed=0, settings=BicubicSettings(scale=4, resize_back=False))
    assert float((small[..., 2:-2] - 0.5).abs().max()) < 0.03


def test_targets_are_the_clean_pictures_but_gray_for_black_and_white_ones(photos: Tensor) -> None:
    clean = degrade_batch(photos, settings=RealEsrganSettings(), generator=generator()).targets
    assert torch.equal(clean, photos)
    for probability in (0.0, 1.0):
        settings = OldPhotoSettings(tone=ToneSettings(monochrome_probability=probability))
        targets = degrade_batch(photos, settings=settings, generator=generator()).targets
        if probability == 0.0:
            assert torch.equal(targets, photos)
        else:
            assert torch.equal(targets[:, 0], targets[:, 2])


def test_the_clean_batch_is_left_alone(photos: Tensor) -> None:
    before = photos.clone()
    for settings in CHAINS:
        degrade_batch(photos, settings=settings, generator=generator())
    assert torch.equal(photos, before)


def test_grayscale_is_pillows_luma_and_its_target_has_colour(photos: Tensor) -> None:
    batch = degrade_batch(photos, settings=GrayscaleSettings(), generator=generator())
    assert torch.equal(batch.targets, photos)
    pixels = (photos[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    expected = torch.from_numpy(np.asarray(Image.fromarray(pixels).convert("L")).copy()).float()
    assert torch.equal(batch.degraded[0, 0], batch.degraded[0, 1])
    assert float((batch.degraded[0, 0] * 255 - expected).abs().max()) <= 1.0


def test_a_mixture_draws_its_chains_as_often_as_their_weights_say(photo: Tensor) -> None:
    shares = [
        {"weight": 3, "degradation": {"chain": "grayscale"}},
        {"weight": 1, "degradation": {"chain": "bicubic"}},
        {"weight": 0, "degradation": {"chain": "old_photo"}},
    ]
    mixture = MixtureSettings.parse({"shares": shares})
    gray, small = (degrade_photo(photo, seed=0, settings=chain) for chain in (GrayscaleSettings(), BicubicSettings()))
    results = [degrade_photo(photo, seed=seed, settings=mixture) for seed in range(80)]
    counts = [sum(torch.equal(result, of) for result in results) for of in (gray, small)]
    assert sum(counts) == 80
    assert 50 <= counts[0] <= 70, f"{counts[0]} of 80 in grey; three quarters are 60"


def test_a_mixture_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="all shares have weight 0"):
        MixtureSettings.parse({"shares": [{"weight": 0, "degradation": {"chain": "bicubic"}}]})
