"""Blur kernels of the Real-ESRGAN degradation: Gaussian, generalized Gaussian, plateau and sinc.

Wang et al., Real-ESRGAN (arXiv 2107.10833), section 3.2; the shapes of Liu et al. (1904.08118).
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.degradation import BlurSettings, FinalSincSettings, KernelSizes
from pasd_batch.training.draws import Draws

SMALLEST_SIGMA = 1e-2
"""Below this standard deviation (pixels) a bell is one pixel anyway; it keeps sigma 0 from dividing by zero."""


class BellProfile(StrEnum):
    """How a bell falls off with the squared Mahalanobis distance q."""

    GENERALIZED = "generalized"
    PLATEAU = "plateau"


@dataclass(frozen=True)
class BellKernel:
    """A bell, round or elliptic: exp(-q^beta / 2), a Gaussian at beta 1, or the plateau 1 / (1 + q^beta).

    `size` is the side and `sigma_x`, `sigma_y` the standard deviations along the axes (pixels), which are turned by
    `rotation` radians.
    """

    size: int
    sigma_x: float
    sigma_y: float
    rotation: float = 0.0
    beta: float = 1.0
    profile: BellProfile = BellProfile.GENERALIZED

    def weights(self) -> Float[Tensor, "size size"]:
        """Kernel in float64, index [y, x], with sum 1."""
        y, x = _coordinates(self.size)
        cosine, sine = math.cos(self.rotation), math.sin(self.rotation)
        along = (cosine * x + sine * y) / max(self.sigma_x, SMALLEST_SIGMA)
        across = (cosine * y - sine * x) / max(self.sigma_y, SMALLEST_SIGMA)
        distance = (along.square() + across.square()).pow(self.beta)
        match self.profile:
            case BellProfile.GENERALIZED:
                bell = torch.exp(-0.5 * distance)
            case BellProfile.PLATEAU:
                bell = 1.0 / (1.0 + distance)
        return bell / bell.sum()


@dataclass(frozen=True)
class SincKernel:
    """Circular low-pass filter, which rings; `cutoff` in radians per pixel, pi lets (nearly) everything through."""

    size: int
    cutoff: float

    def weights(self) -> Float[Tensor, "size size"]:
        """Kernel in float64, index [y, x], with sum 1."""
        y, x = _coordinates(self.size)
        distance = torch.hypot(x, y)
        center = distance == 0.0
        distance = distance.masked_fill(center, 1.0)
        ring = self.cutoff * _bessel_j1(self.cutoff * distance) / (2.0 * math.pi * distance)
        ring = ring.masked_fill(center, self.cutoff**2 / (4.0 * math.pi))
        return ring / ring.sum()


@dataclass(frozen=True)
class IdentityKernel:
    """Leaves the picture as it is."""

    size: int = 1

    def weights(self) -> Float[Tensor, "size size"]:
        """A single 1 in the middle."""
        y, x = _coordinates(self.size)
        return ((x == 0.0) & (y == 0.0)).to(torch.float64)


BlurKernel = BellKernel | SincKernel | IdentityKernel


def padded_weights(kernel: BlurKernel, *, size: int) -> Float[Tensor, "size size"]:
    """The kernel's weights in the middle of a larger one of zeros, float64.

    Raises:
        ValueError: the kernel is larger than `size`, or the two sides are not both odd or both even.
    """
    margin, odd = divmod(size - kernel.size, 2)
    if margin < 0 or odd:
        raise ValueError(f"a kernel of side {kernel.size} cannot be centred in side {size}")
    return torch.nn.functional.pad(kernel.weights(), [margin] * 4)


def sample_kernel(settings: BlurSettings, draws: Draws) -> BlurKernel:
    """Draw the kernel of one blur: none, a sinc, or a bell of random shape."""
    if not draws.flag(settings.probability):
        return IdentityKernel()
    size = _sample_size(settings.sizes, draws)
    if draws.flag(settings.sinc_probability):
        large = size >= settings.sinc_large_from
        return SincKernel(size, draws.uniform(settings.sinc_cutoff_large if large else settings.sinc_cutoff_small))
    return _sample_bell(settings, size, draws)


def sample_final_sinc(settings: FinalSincSettings, draws: Draws) -> BlurKernel:
    """Draw the filter at the end of the chain: a sinc, or none."""
    if not draws.flag(settings.probability):
        return IdentityKernel()
    return SincKernel(_sample_size(settings.sizes, draws), draws.uniform(settings.cutoff))


def _sample_bell(settings: BlurSettings, size: int, draws: Draws) -> BellKernel:
    kind: str = draws.weighted(settings.kinds.model_dump())
    elliptic = kind.endswith("aniso")
    sigma = draws.uniform(settings.sigma)
    return BellKernel(
        size=size,
        sigma_x=sigma,
        sigma_y=draws.uniform(settings.sigma) if elliptic else sigma,
        rotation=draws.uniform(settings.rotation) if elliptic else 0.0,
        beta=_sample_beta(settings, kind, draws),
        profile=BellProfile.PLATEAU if kind.startswith("plateau") else BellProfile.GENERALIZED,
    )


def _sample_beta(settings: BlurSettings, kind: str, draws: Draws) -> float:
    if kind.startswith("generalized"):
        heavy = draws.flag(settings.generalized_heavy_probability)
        return draws.uniform(settings.generalized_beta_heavy if heavy else settings.generalized_beta_light)
    if kind.startswith("plateau"):
        lowest = draws.flag(settings.plateau_lowest_probability)
        return settings.plateau_beta[0] if lowest else draws.uniform(settings.plateau_beta)
    return 1.0


def _sample_size(sizes: KernelSizes, draws: Draws) -> int:
    return sizes.smallest + 2 * draws.index((sizes.largest - sizes.smallest) // 2 + 1)


def _coordinates(size: int) -> tuple[Tensor, Tensor]:
    axis = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return y, x


def _bessel_j1(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Bessel function of order 1, as the mean of cos(t - x sin t) over one period of t.

    The trapezoidal rule is exact to rounding on a periodic function, once it has clearly more points than x.
    `torch.special.bessel_j1` is only good to 1e-8, which shows in a kernel.
    """
    points = 64 + 2 * math.ceil(float(x.max()))
    t = torch.arange(points, dtype=torch.float64) * (2.0 * math.pi / points)
    return torch.cos(t - x[..., None] * torch.sin(t)).mean(dim=-1)
