"""Blur kernels: sums, symmetry, limits, and the published mixture."""

import math

import pytest
import torch

from pasd_batch.config.degradation import BlurSettings, FinalSincSettings, KernelSizes
from pasd_batch.degradation.blur_kernels import (
    BivariateKernel,
    BivariateProfile,
    BlurKernel,
    IdentityKernel,
    SincKernel,
    kernel_weights,
    sample_final_sinc,
    sample_kernel,
)
from pasd_batch.degradation.draws import Draws

KERNELS: list[BlurKernel] = [
    BivariateKernel(9, 1.2, 1.2),
    BivariateKernel(15, 2.0, 0.7, rotation=0.6),
    BivariateKernel(15, 2.0, 0.7, rotation=0.6, beta=0.5),
    BivariateKernel(15, 2.0, 0.7, rotation=-2.0, beta=1.5, profile=BivariateProfile.PLATEAU),
    SincKernel(13, 1.1),
    IdentityKernel(5),
]


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_weights_sum_to_one_and_are_point_symmetric(kernel: BlurKernel) -> None:
    (weights,) = kernel_weights([kernel])
    assert weights.dtype == torch.float64
    assert float(weights.sum()) == pytest.approx(1.0, abs=1e-12)
    assert torch.allclose(weights, weights.flip(0, 1), atol=1e-15)


def test_sigma_zero_leaves_one_pixel() -> None:
    for profile in BivariateProfile:
        weights = kernel_weights([BivariateKernel(7, 0.0, 0.0, profile=profile)])[0]
        assert float(weights[3, 3]) > 0.99


def test_ellipse_points_where_its_rotation_says() -> None:
    """y grows downwards: a quarter turn puts the long axis upright."""
    lying = kernel_weights([BivariateKernel(15, 3.0, 0.5)])[0]
    standing = kernel_weights([BivariateKernel(15, 3.0, 0.5, rotation=math.pi / 2)])[0]
    assert float(lying[7, 12]) > 100 * float(lying[12, 7])
    assert torch.allclose(lying, standing.T, atol=1e-12)


def test_gaussian_standard_deviation_is_sigma() -> None:
    weights = kernel_weights([BivariateKernel(41, 2.5, 2.5)])[0]
    offsets = torch.arange(41, dtype=torch.float64) - 20
    variance = (weights.sum(dim=0) * offsets.square()).sum()
    assert math.sqrt(float(variance)) == pytest.approx(2.5, rel=1e-6)


def test_sinc_rings_and_a_high_cutoff_hardly_changes_anything() -> None:
    assert float(kernel_weights([SincKernel(21, math.pi / 3)])[0].min()) < -1e-3
    nearly_identity = kernel_weights([SincKernel(21, math.pi)])[0]
    assert float(nearly_identity[10, 10]) > 0.7


def test_padding_keeps_the_kernel_in_the_middle() -> None:
    padded = kernel_weights([SincKernel(7, 2.0)], size=21)[0]
    assert torch.allclose(padded[7:14, 7:14], kernel_weights([SincKernel(7, 2.0)])[0], atol=1e-15)
    assert int((padded != 0.0).sum()) == 49
    assert float(padded.sum()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("side", "size"), [(9, 7), (7, 10)])
def test_padding_that_cannot_be_centred_is_refused(side: int, size: int) -> None:
    with pytest.raises(ValueError, match=f"side {side} cannot be centred in side {size}"):
        kernel_weights([IdentityKernel(side)], size=size)


def test_sampled_kernels_follow_the_published_mixture() -> None:
    draws = Draws(torch.Generator().manual_seed(0))
    kernels = [sample_kernel(BlurSettings(), draws) for _ in range(4000)]
    sincs = [kernel for kernel in kernels if isinstance(kernel, SincKernel)]
    bells = [kernel for kernel in kernels if isinstance(kernel, BivariateKernel)]
    assert len(sincs) + len(bells) == 4000
    assert len(sincs) / 4000 == pytest.approx(0.1, abs=0.02)
    assert {kernel.size for kernel in kernels} == set(range(7, 22, 2))
    plateaus = [kernel for kernel in bells if kernel.profile is BivariateProfile.PLATEAU]
    assert len(plateaus) / len(bells) == pytest.approx(0.15, abs=0.02)
    assert sum(kernel.beta == 1.0 for kernel in plateaus) / len(plateaus) == pytest.approx(0.5, abs=0.08)
    round_ones = [kernel for kernel in bells if kernel.sigma_x == kernel.sigma_y]
    assert len(round_ones) / len(bells) == pytest.approx(0.69, abs=0.03)
    assert all(0.2 <= kernel.sigma_x <= 3.0 and 0.2 <= kernel.sigma_y <= 3.0 for kernel in bells)
    small = [kernel.cutoff for kernel in sincs if kernel.size < 13]
    large = [kernel.cutoff for kernel in sincs if kernel.size >= 13]
    assert math.pi / 3 <= min(small)
    assert math.pi / 5 <= min(large) < math.pi / 3


def test_probability_zero_never_blurs() -> None:
    draws = Draws(torch.Generator().manual_seed(0))
    off = BlurSettings(probability=0.0)
    assert all(isinstance(sample_kernel(off, draws), IdentityKernel) for _ in range(50))
    final = [sample_final_sinc(FinalSincSettings(), draws) for _ in range(1000)]
    assert sum(isinstance(kernel, IdentityKernel) for kernel in final) / 1000 == pytest.approx(0.2, abs=0.04)


def test_sizes_of_one_value_give_that_size() -> None:
    draws = Draws(torch.Generator().manual_seed(0))
    settings = BlurSettings(sizes=KernelSizes(smallest=9, largest=9))
    assert {sample_kernel(settings, draws).size for _ in range(30)} == {9}
