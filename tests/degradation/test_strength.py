"""Contracted ranges: published at 1, harmless at 0, in between half way."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pasd_batch.config.degradation import RealEsrganSettings, ResizeMode
from pasd_batch.config.old_photo import OldPhotoSettings
from pasd_batch.degradation.blur_kernels import sample_final_sinc, sample_kernel
from pasd_batch.degradation.chain import degrade_photo
from pasd_batch.degradation.draws import Draws
from pasd_batch.degradation.noise import sample_noise
from pasd_batch.degradation.old_photo import sample_old_photo
from pasd_batch.degradation.real_esrgan import sample_chain, sample_resize
from pasd_batch.degradation.strength import contract


def error(first: Tensor, second: Tensor) -> float:
    return float((first - second).square().mean().sqrt())


def test_contracting_moves_both_ends_towards_the_neutral_value() -> None:
    assert contract((60.0, 90.0), neutral=100.0, strength=0.5) == (80.0, 95.0)
    assert contract((0.3, 1.5), neutral=1.0, strength=1.0) == pytest.approx((0.3, 1.5))
    assert contract((1.0, 15.0), neutral=0.0, strength=0.0) == (0.0, 0.0)


class NotedDraws(Draws):
    """Draws that note the intervals they were asked for."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(torch.Generator().manual_seed(seed))
        self.intervals: set[tuple[float, float]] = set()

    def uniform(self, interval: tuple[float, float]) -> float:
        self.intervals.add(tuple(round(end, 9) for end in interval))
        return super().uniform(interval)

    def skewed(self, interval: tuple[float, float]) -> float:
        self.intervals.add(tuple(round(end, 9) for end in interval))
        return super().skewed(interval)


def asked(sample: Callable[[Draws], object]) -> set[tuple[float, float]]:
    """All intervals that 200 samples draw from."""
    draws = NotedDraws()
    for _ in range(200):
        sample(draws)
    return draws.intervals


def shape(cutoff: float) -> tuple[float, float]:
    return round(cutoff, 9), round(math.pi, 9)


def test_half_strength_halves_the_published_ranges() -> None:
    published = RealEsrganSettings()
    first, second = published.first, published.second
    kernels = asked(lambda draws: sample_kernel(first.blur, draws, strength=0.5))
    assert kernels >= {(0.1, 1.5), shape(2 * math.pi / 3), shape(3 * math.pi / 5)}
    assert kernels - {(0.1, 1.5), shape(2 * math.pi / 3), shape(3 * math.pi / 5)} == {
        (0.5, 1.0),
        (1.0, 4.0),
        (1.0, 2.0),
        (-shape(0.0)[1], shape(0.0)[1]),
    }, "exponents and directions stay"
    resizes = asked(lambda draws: sample_resize(first.resize, (ResizeMode.AREA,), draws, strength=0.5))
    assert resizes == {(0.65, 1.0), (1.0, 1.25), (1.0, 1.0)}
    assert asked(lambda draws: sample_noise(first.noise, draws, strength=0.5)) == {(0.5, 7.5), (0.025, 1.0)}
    assert asked(lambda draws: sample_noise(second.noise, draws, strength=0.5)) == {(0.5, 6.0), (0.025, 0.5)}
    assert asked(lambda draws: sample_final_sinc(published.final_sinc, draws, strength=0.5)) == {shape(2 * math.pi / 3)}
    half = RealEsrganSettings(strength=0.5)
    assert asked(lambda draws: sample_chain(half, draws, batch=1)) >= {(80.0, 97.5), (80.0, 100.0)}


def test_full_strength_leaves_the_published_ranges() -> None:
    full = asked(lambda draws: sample_chain(RealEsrganSettings(), draws, batch=1))
    assert full >= {(0.2, 3.0), (0.2, 1.5), (0.3, 1.0), (1.0, 15.0), (0.05, 2.0), (60.0, 95.0), (60.0, 100.0)}
    assert full >= {shape(math.pi / 3), shape(math.pi / 5)}


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


def test_old_photo_amounts_shrink_and_shapes_stay() -> None:
    certain = {name: {"probability": 1.0} for name in ("grain", "halftone", "blotches", "scratches", "dust")}

    def intervals(strength: float) -> set[tuple[float, float]]:
        settings = OldPhotoSettings.parse({**certain, "strength": strength})
        return asked(lambda draws: sample_old_photo(settings, draws, pixels=500_000))

    halves, full = intervals(0.5), intervals(1.0)
    amounts = {(0.015, 0.08), (1.0, 10.0), (15.0, 180.0), (0.4, 1.0), (0.2, 1.8), (0.05, 0.45), (-0.35, 0.35)}
    assert full >= amounts | {(55.0, 95.0)}
    assert halves >= {(low / 2, high / 2) for low, high in amounts} | {(77.5, 97.5)}
    assert halves & full >= {(2.6, 5.0), (0.5, 2.4), (12.0, 70.0), (0.03, 1.5)}, "lengths stay"
