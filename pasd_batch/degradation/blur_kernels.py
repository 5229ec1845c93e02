"""Blur kernels of the Real-ESRGAN degradation: Gaussian, generalized Gaussian, plateau and sinc.

Wang et al., Real-ESRGAN (arXiv 2107.10833), section 3.2; the shapes of Liu et al. (1904.08118).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from pasd_batch.config.degradation import BlurSettings, FinalSincSettings, KernelSizes
from pasd_batch.degradation.batch_tensors import to_device
from pasd_batch.degradation.draws import Draws
from pasd_batch.degradation.strength import contract

_KIND_WEIGHTS: Mapping[str, float] = {
    "iso": 0.45,
    "aniso": 0.25,
    "generalized_iso": 0.12,
    "generalized_aniso": 0.03,
    "plateau_iso": 0.12,
    "plateau_aniso": 0.03,
}
"""Weights of the bivariate kernels: Gaussian, generalized Gaussian exp(-q^beta / 2), plateau 1 / (1 + q^beta), each
isotropic or anisotropic; from Real-ESRGAN's training options, like the other constants here."""

_ROTATION = (-math.pi, math.pi)
"""Rotation of anisotropic kernels, radians."""

_EVEN = 0.5
_BETA_HEAVY, _BETA_LIGHT = (0.5, 1.0), (1.0, 4.0)
"""Exponents with heavier and with lighter tails than a Gaussian; each range has probability 1/2."""

_BETA_PLATEAU = (1.0, 2.0)
"""Plateau exponents; with probability 1/2 the lowest."""

_SINC_PROBABILITY = 0.1
"""Probability of a sinc (ringing) kernel instead of a bivariate one."""

_SINC_LARGE_FROM = 13
"""Side length, pixels, from which a sinc kernel counts as large."""

_CUTOFF_SMALL, _CUTOFF_LARGE = (math.pi / 3, math.pi), (math.pi / 5, math.pi)
"""Cutoffs of small and of large sinc kernels, radians per pixel."""

SMALLEST_SIGMA = 1e-2
"""Least standard deviation (pixels), at which a kernel is a single pixel; avoids division by zero."""

_Kind = TypeVar("_Kind")


class BivariateProfile(StrEnum):
    """Profile of a bivariate kernel over the squared Mahalanobis distance q."""

    GENERALIZED = "generalized"
    PLATEAU = "plateau"


@dataclass(frozen=True)
class BivariateKernel:
    """Bivariate kernel: generalized Gaussian exp(-q^beta / 2), a Gaussian at beta 1, or plateau 1 / (1 + q^beta).

    `size` is the side, `sigma_x` and `sigma_y` are the standard deviations along the principal axes (pixels), which are
    rotated by `rotation` radians.
    """

    size: int
    sigma_x: float
    sigma_y: float
    rotation: float = 0.0
    beta: float = 1.0
    profile: BivariateProfile = BivariateProfile.GENERALIZED


@dataclass(frozen=True)
class SincKernel:
    """Circular low-pass filter with ringing; `cutoff` in radians per pixel, at pi almost the identity."""

    size: int
    cutoff: float


@dataclass(frozen=True)
class IdentityKernel:
    """Identity: no blur."""

    size: int = 1


BlurKernel = BivariateKernel | SincKernel | IdentityKernel


def kernel_weights(
    kernels: Sequence[BlurKernel], *, size: int | None = None, device: torch.device | None = None
) -> Float64[Tensor, "batch size size"]:
    """Weights of all kernels, index [y, x], each with sum 1; kernels smaller than `size` are zero-padded.

    `size` is the largest kernel's unless given. Computed together on the device.

    Raises:
        ValueError: a kernel is larger than `size`, or the two sides are not both odd or both even.
    """
    side = max(kernel.size for kernel in kernels) if size is None else size
    for kernel in kernels:
        if kernel.size > side or (side - kernel.size) % 2:
            raise ValueError(f"a kernel of side {kernel.size} cannot be centred in side {side}")
    device = device or torch.device("cpu")
    weights = torch.zeros(len(kernels), side, side, dtype=torch.float64, device=device)
    for places, drawn in (
        _of_kind(kernels, BivariateKernel, lambda bells: _bivariate_weights(bells, side, device)),
        _of_kind(kernels, SincKernel, lambda sincs: _sinc_weights(sincs, side, device)),
        _of_kind(kernels, IdentityKernel, lambda identities: _identity_weights(identities, side, device)),
    ):
        if drawn is not None:
            weights.index_copy_(0, to_device(torch.tensor(places), device), drawn)
    return weights


def sample_kernel(settings: BlurSettings, draws: Draws, *, strength: float = 1.0) -> BlurKernel:
    """Draw the kernel of one blur: identity, sinc or bivariate; below strength 1 it blurs less."""
    if not draws.bernoulli(settings.probability):
        return IdentityKernel()
    size = _sample_size(settings.sizes, draws)
    if draws.bernoulli(_SINC_PROBABILITY):
        cutoff = _CUTOFF_LARGE if size >= _SINC_LARGE_FROM else _CUTOFF_SMALL
        return SincKernel(size, draws.uniform(contract(cutoff, strength=strength, neutral=math.pi)))
    return _sample_bivariate(contract(settings.sigma, strength=strength), size, draws)


def sample_final_sinc(settings: FinalSincSettings, draws: Draws, *, strength: float = 1.0) -> BlurKernel:
    """Draw the filter at the end of the chain: a sinc, or none."""
    if not draws.bernoulli(settings.probability):
        return IdentityKernel()
    size = _sample_size(KernelSizes(), draws)
    return SincKernel(size, draws.uniform(contract(settings.cutoff, strength=strength, neutral=math.pi)))


def _sample_bivariate(sigmas: tuple[float, float], size: int, draws: Draws) -> BivariateKernel:
    kind = draws.choice(_KIND_WEIGHTS)
    elliptic = kind.endswith("aniso")
    sigma = draws.uniform(sigmas)
    return BivariateKernel(
        size=size,
        sigma_x=sigma,
        sigma_y=draws.uniform(sigmas) if elliptic else sigma,
        rotation=draws.uniform(_ROTATION) if elliptic else 0.0,
        beta=_sample_beta(kind, draws),
        profile=BivariateProfile.PLATEAU if kind.startswith("plateau") else BivariateProfile.GENERALIZED,
    )


def _sample_beta(kind: str, draws: Draws) -> float:
    if kind.startswith("generalized"):
        return draws.uniform(_BETA_HEAVY if draws.bernoulli(_EVEN) else _BETA_LIGHT)
    if kind.startswith("plateau"):
        return _BETA_PLATEAU[0] if draws.bernoulli(_EVEN) else draws.uniform(_BETA_PLATEAU)
    return 1.0


def _sample_size(sizes: KernelSizes, draws: Draws) -> int:
    return sizes.smallest + 2 * draws.integer((sizes.largest - sizes.smallest) // 2 + 1)


def _of_kind(
    kernels: Sequence[BlurKernel], kind: type[_Kind], draw: Callable[[list[_Kind]], Tensor]
) -> tuple[list[int], Tensor | None]:
    """Indices of the kernels of a kind, and their weights if there are any."""
    found = [(place, kernel) for place, kernel in enumerate(kernels) if isinstance(kernel, kind)]
    weights = draw([kernel for _, kernel in found]) if found else None
    return [place for place, _ in found], weights


def _bivariate_weights(kernels: Sequence[BivariateKernel], side: int, device: torch.device) -> Tensor:
    rows = [
        (
            math.cos(kernel.rotation),
            math.sin(kernel.rotation),
            max(kernel.sigma_x, SMALLEST_SIGMA),
            max(kernel.sigma_y, SMALLEST_SIGMA),
            kernel.beta,
            float(kernel.profile is BivariateProfile.PLATEAU),
        )
        for kernel in kernels
    ]
    columns = to_device(torch.tensor(rows, dtype=torch.float64), device).T[..., None, None]
    cosine, sine, sigma_x, sigma_y, beta, is_plateau = columns
    y, x = _coordinates(side, device)
    along, across = (cosine * x + sine * y) / sigma_x, (cosine * y - sine * x) / sigma_y
    distance = (along.square() + across.square()).pow(beta)
    bell = torch.where(is_plateau > 0.0, 1.0 / (1.0 + distance), torch.exp(-0.5 * distance))
    return _crop_and_normalise(bell, kernels)


def _sinc_weights(kernels: Sequence[SincKernel], side: int, device: torch.device) -> Tensor:
    """cutoff J1(cutoff r) / (2 pi r), and cutoff^2 / (4 pi) at r = 0, computed once per distinct radius."""
    radii, places = _radii(side, device)
    cutoffs = to_device(torch.tensor([kernel.cutoff for kernel in kernels], dtype=torch.float64), device)[:, None]
    most = max(kernel.cutoff for kernel in kernels) * math.sqrt(0.5) * side
    ring = cutoffs * _bessel_j1(cutoffs * radii, most) / (2.0 * math.pi * radii.clamp(min=1e-12))
    ring = torch.where(radii == 0.0, cutoffs.square() / (4.0 * math.pi), ring)
    return _crop_and_normalise(ring[:, places].unflatten(-1, (side, side)), kernels)


def _identity_weights(kernels: Sequence[IdentityKernel], side: int, device: torch.device) -> Tensor:
    y, x = _coordinates(side, device)
    return ((x == 0.0) & (y == 0.0)).to(torch.float64).expand(len(kernels), -1, -1)


def _crop_and_normalise(values: Tensor, kernels: Sequence[BivariateKernel] | Sequence[SincKernel]) -> Tensor:
    """Zero the weights outside each kernel's own square, and normalise them to sum 1."""
    reach = torch.tensor([(kernel.size - 1) / 2 for kernel in kernels], dtype=torch.float64)
    y, x = _coordinates(values.shape[-1], values.device)
    inside = torch.maximum(x.abs(), y.abs()) <= to_device(reach, values.device)[:, None, None]
    values = values * inside
    return values / values.sum(dim=(-2, -1), keepdim=True)


@lru_cache(maxsize=64)
def _coordinates(side: int, device: torch.device) -> tuple[Float64[Tensor, "side side"], Float64[Tensor, "side side"]]:
    axis = torch.arange(side, dtype=torch.float64, device=device) - (side - 1) / 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return y, x


@lru_cache(maxsize=64)
def _radii(side: int, device: torch.device) -> tuple[Float64[Tensor, " radii"], Int64[Tensor, " pixels"]]:
    """Distinct distances from the centre of a square, rising, and the index of each pixel's distance."""
    y, x = _coordinates(side, torch.device("cpu"))
    radii, places = torch.unique(x.square() + y.square(), return_inverse=True)
    return radii.sqrt().to(device), places.flatten().to(device)


def _bessel_j1(x: Float[Tensor, "*shape"], most: float) -> Float[Tensor, "*shape"]:
    """Bessel function of order 1 of numbers up to `most`, as the mean of cos(t - x sin t) over one period of t.

    The trapezoidal rule is exact to rounding on a periodic function, once it has clearly more points than x.
    `torch.special.bessel_j1` is only good to 1e-8, which shows in a kernel.
    """
    points = 64 + 2 * math.ceil(most)
    t = torch.arange(points, dtype=torch.float64, device=x.device) * (2.0 * math.pi / points)
    return torch.cos(t - x[..., None] * torch.sin(t)).mean(dim=-1)
