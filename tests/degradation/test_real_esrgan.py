"""The second-order chain: parameters, sizes, and independence of a batch's pictures."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pasd_batch.config.degradation import RealEsrganSettings, ResizeMode, ResizeSettings
from pasd_batch.degradation.draws import Draws, GeneratorNoise
from pasd_batch.degradation.real_esrgan import (
    ChainParameters,
    StageParameters,
    apply_chain,
    sample_chain,
    sample_resize,
)


class SameForAll:
    """Noise that depends on the position in the picture only, and Poisson counts on their rates only."""

    def normal(self, shape: Sequence[int]) -> Tensor:
        plane = torch.randn(tuple(shape[1:]), generator=torch.Generator().manual_seed(5))
        return plane.expand(tuple(shape)).clone()

    def poisson(self, rates: Tensor) -> Tensor:
        return (rates * 1.1).round()


def chain(settings: RealEsrganSettings, *, batch: int, seed: int = 0) -> ChainParameters:
    return sample_chain(settings, Draws(torch.Generator().manual_seed(seed)), batch=batch)


def of_one_picture(parameters: ChainParameters, index: int) -> ChainParameters:
    def own(stage: StageParameters) -> StageParameters:
        return replace(
            stage,
            kernels=stage.kernels[index : index + 1],
            noise=stage.noise[index : index + 1],
            jpeg_qualities=stage.jpeg_qualities[index : index + 1],
        )

    return replace(
        parameters,
        first=own(parameters.first),
        second=own(parameters.second),
        final_kernels=parameters.final_kernels[index : index + 1],
        jpeg_first=parameters.jpeg_first[index : index + 1],
    )


@pytest.mark.parametrize("seed", range(6))
def test_a_picture_does_not_depend_on_its_neighbours(photos: Tensor, seed: int) -> None:
    """Given the same draws; float32 summation order may move a coefficient across a rounding tie."""
    parameters = chain(RealEsrganSettings(), batch=3, seed=seed)
    together = apply_chain(photos, parameters, SameForAll())
    for index in range(3):
        alone = apply_chain(photos[index : index + 1], of_one_picture(parameters, index), SameForAll())
        differing = ((together[index] - alone[0]).abs() > 1e-5).float().mean()
        assert float(differing) < 0.01


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 41), (33, 9), (50, 70)])
@pytest.mark.parametrize("seed", range(4))
def test_any_size_from_8_up_in_both_output_sizes(height: int, width: int, seed: int) -> None:
    picture = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    parameters = chain(RealEsrganSettings(), batch=2, seed=seed)
    noise = GeneratorNoise(torch.Generator().manual_seed(seed), device=torch.device("cpu"))
    full = apply_chain(picture, parameters, noise)
    small = apply_chain(picture, replace(parameters, resize_back=False), noise)
    assert full.shape == picture.shape
    assert small.shape == (2, 3, height // 4, width // 4)
    for result in (full, small):
        assert torch.equal(result, (result * 255).round() / 255)
        assert 0.0 <= float(result.min()) <= float(result.max()) <= 1.0


def test_pictures_of_a_batch_get_parameters_of_their_own() -> None:
    parameters = chain(RealEsrganSettings(), batch=16)
    assert len(set(parameters.first.jpeg_qualities.tolist())) == 16
    assert len({noise.level for noise in parameters.second.noise}) == 16
    assert set(parameters.jpeg_first) == {True, False}
    kernels = parameters.first.kernels.flatten(1)
    assert len(torch.unique(kernels, dim=0)) == 16


def test_resizes_follow_the_published_distribution() -> None:
    draws = Draws(torch.Generator().manual_seed(0))
    resizes = [sample_resize(ResizeSettings(), tuple(ResizeMode), draws) for _ in range(3000)]
    factors = [resize.factor for resize in resizes]
    assert sum(factor > 1.0 for factor in factors) / 3000 == pytest.approx(0.2, abs=0.03)
    assert sum(factor == 1.0 for factor in factors) / 3000 == pytest.approx(0.1, abs=0.03)
    assert 0.3 <= min(factors) < 0.32
    assert 1.48 < max(factors) <= 1.5
    for mode in ResizeMode:
        assert sum(resize.mode is mode for resize in resizes) / 3000 == pytest.approx(1 / 3, abs=0.04)
