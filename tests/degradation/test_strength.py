"""Contracted ranges: published at 1, harmless at 0, in between half way."""

import math

import pytest
from torch import Tensor

from pasd_batch.config.degradation import RealEsrganSettings
from pasd_batch.config.old_photo import OldPhotoSettings
from pasd_batch.degradation.chain import degrade_photo
from pasd_batch.degradation.strength import contract, contracted_chain, contracted_old_photo


def error(first: Tensor, second: Tensor) -> float:
    return float((first - second).square().mean().sqrt())


def test_contracting_moves_both_ends_towards_the_neutral_value() -> None:
    assert contract((60.0, 90.0), neutral=100.0, strength=0.5) == (80.0, 95.0)
    assert contract((0.3, 1.5), neutral=1.0, strength=1.0) == pytest.approx((0.3, 1.5))
    assert contract((1.0, 15.0), neutral=0.0, strength=0.0) == (0.0, 0.0)


def test_half_strength_halves_the_published_ranges() -> None:
    half = contracted_chain(RealEsrganSettings(strength=0.5))
    assert half.first.blur.sigma == (0.1, 1.5)
    assert half.first.blur.sinc_cutoff_small == pytest.approx((2 * math.pi / 3, math.pi))
    assert half.first.resize.factor == pytest.approx((0.65, 1.25))
    assert half.first.noise.sigma == (0.5, 7.5)
    assert half.first.jpeg_quality == (80.0, 97.5)
    assert half.second.noise.poisson_scale == (0.025, 0.5)
    assert half.final_sinc.cutoff == pytest.approx((2 * math.pi / 3, math.pi))
    assert half.second.blur.probability == 0.5
    assert half.scale == 4


def test_full_strength_is_the_settings_themselves_and_contracting_is_done_once() -> None:
    settings = RealEsrganSettings()
    assert contracted_chain(settings) == settings
    half = contracted_chain(RealEsrganSettings(strength=0.5))
    assert contracted_chain(half) == half


@pytest.mark.parametrize("chain", [RealEsrganSettings, OldPhotoSettings])
def test_stronger_means_further_from_the_clean_photo(
    photo: Tensor, chain: type[RealEsrganSettings] | type[OldPhotoSettings]
) -> None:
    means = []
    for strength in (0.0, 0.5, 1.0):
        settings = chain(strength=strength)
        results = [degrade_photo(photo, seed=seed, settings=settings) for seed in range(8)]
        means.append(sum(error(result, photo) for result in results) / len(results))
    assert means[0] < means[1] < means[2]


def test_strength_zero_leaves_only_the_resizing_or_the_loss_of_colour(photo: Tensor) -> None:
    mildest = RealEsrganSettings(strength=0.0, scale=1)
    for seed in range(4):
        assert error(degrade_photo(photo, seed=seed, settings=mildest), photo) < 0.06
    gray = photo.mean(dim=0, keepdim=True).expand(3, -1, -1).contiguous()
    for seed in range(4):
        aged = degrade_photo(gray, seed=seed, settings=OldPhotoSettings(strength=0.0))
        assert error(aged, gray) < 0.01


def test_old_photo_amounts_shrink_and_probabilities_stay() -> None:
    half = contracted_old_photo(OldPhotoSettings(strength=0.5))
    full = OldPhotoSettings()
    assert half.grain.amount == tuple(value / 2 for value in full.grain.amount)
    assert half.capture.jpeg_quality == (77.5, 97.5)
    assert half.scratches.probability == full.scratches.probability
    assert half.halftone.period == full.halftone.period
