"""Sensor noise: strength, grey and colour, and independence of the pictures of a batch."""

import pytest
import torch
from torch import Tensor

from pasd_batch.config.degradation import NoiseSettings
from pasd_batch.degradation.draws import Draws, GeneratorNoise
from pasd_batch.degradation.noise import (
    NoiseKind,
    NoiseParameters,
    add_noise,
    add_poisson_noise,
    poisson_basis,
    poisson_peaks,
    sample_noise,
)


def source(seed: int = 0) -> GeneratorNoise:
    return GeneratorNoise(torch.Generator().manual_seed(seed), device=torch.device("cpu"))


def test_gaussian_noise_has_its_standard_deviation() -> None:
    flat = torch.full((1, 3, 200, 200), 0.5)
    noisy = add_noise(flat, [NoiseParameters(NoiseKind.GAUSSIAN, 10.0, gray=False)], source())
    assert float((noisy - flat).std()) * 255.0 == pytest.approx(10.0, rel=0.02)


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_gray_noise_is_the_same_in_all_channels(photo: Tensor, kind: NoiseKind) -> None:
    inner = 0.3 + 0.4 * photo[None]
    gray = add_noise(inner, [NoiseParameters(kind, 0.5, gray=True)], source()) - inner
    color = add_noise(inner, [NoiseParameters(kind, 0.5, gray=False)], source()) - inner
    assert torch.allclose(gray[:, 0], gray[:, 1], atol=1e-6)
    assert float((color[:, 0] - color[:, 1]).abs().mean()) > 1e-4


def test_poisson_noise_grows_with_brightness() -> None:
    ramp = torch.linspace(0.1, 0.9, 256).expand(1, 3, 256, 256).contiguous()
    noisy = add_noise(ramp, [NoiseParameters(NoiseKind.POISSON, 1.0, gray=False)], source())
    deviation = (noisy - ramp).std(dim=-2).mean(dim=1)[0]
    assert float(deviation[-32:].mean()) > 1.8 * float(deviation[:32].mean())


def test_peak_is_a_power_of_two_not_below_the_number_of_values() -> None:
    for values, peak in [(1, 1), (2, 2), (3, 4), (8, 8), (9, 16), (256, 256)]:
        basis = (torch.arange(1024) % values).float().reshape(1, 1, 32, 32) / 255.0
        assert float(poisson_peaks(basis)) == peak


def test_counts_equal_to_their_rates_change_nothing(photo: Tensor) -> None:
    basis = poisson_basis(photo[None], gray=False)
    assert torch.allclose(
        add_poisson_noise(photo[None], basis * poisson_peaks(basis), torch.tensor([2.0])),
        photo[None],
        atol=1e-6,
    )


def test_level_zero_only_clamps(photos: Tensor) -> None:
    outside = photos * 1.5 - 0.25
    parameters = [
        NoiseParameters(NoiseKind.GAUSSIAN, 0.0, gray=True),
        NoiseParameters(NoiseKind.POISSON, 0.0, gray=False),
        NoiseParameters(NoiseKind.POISSON, 0.0, gray=True),
    ]
    assert torch.equal(add_noise(outside, parameters, source()), outside.clamp(0.0, 1.0))


def test_a_batch_mixes_kinds_without_mixing_pictures(photos: Tensor) -> None:
    parameters = [
        NoiseParameters(NoiseKind.POISSON, 0.0, gray=True),
        NoiseParameters(NoiseKind.GAUSSIAN, 12.0, gray=False),
        NoiseParameters(NoiseKind.GAUSSIAN, 0.0, gray=True),
    ]
    noisy = add_noise(photos, parameters, source())
    assert torch.equal(noisy[0], photos[0])
    assert torch.equal(noisy[2], photos[2])
    assert float((noisy[1] - photos[1]).std()) * 255.0 == pytest.approx(12.0, rel=0.1)


def test_sampled_noise_follows_the_published_distribution() -> None:
    draws = Draws(torch.Generator().manual_seed(0))
    sampled = [sample_noise(NoiseSettings(), draws) for _ in range(2000)]
    gaussian = [each.level for each in sampled if each.kind is NoiseKind.GAUSSIAN]
    poisson = [each.level for each in sampled if each.kind is NoiseKind.POISSON]
    assert len(gaussian) / 2000 == pytest.approx(0.5, abs=0.04)
    assert sum(each.gray for each in sampled) / 2000 == pytest.approx(0.4, abs=0.04)
    assert min(gaussian) >= 1.0
    assert 14.5 < max(gaussian) <= 15.0
    assert min(poisson) >= 0.05
    assert 1.9 < max(poisson) <= 2.0
