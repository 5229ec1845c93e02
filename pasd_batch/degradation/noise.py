"""Sensor noise of the Real-ESRGAN degradation: Gaussian or Poisson, in colour or the same in all channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.degradation import NoiseSettings
from pasd_batch.degradation.batch_tensors import constant, index_tensor, to_device
from pasd_batch.degradation.draws import Draws, NoiseSource
from pasd_batch.degradation.filtering import round_to_8_bit
from pasd_batch.degradation.strength import contract
from pasd_batch.luma import BT601_IN_REAL_ESRGAN

_GAUSSIAN_PROBABILITY = 0.5
"""Probability of Gaussian rather than Poisson noise (Real-ESRGAN's training options, both rounds)."""

_GRAY_PROBABILITY = 0.4
"""Probability of the same noise in all three channels (the same options)."""


class NoiseKind(StrEnum):
    """Distribution of the noise."""

    GAUSSIAN = "gaussian"
    POISSON = "poisson"


@dataclass(frozen=True)
class NoiseParameters:
    """Noise of one picture: `level` is the standard deviation in 8-bit levels, or the factor on Poisson noise."""

    kind: NoiseKind
    level: float
    gray: bool


def sample_noise(settings: NoiseSettings, draws: Draws, *, strength: float = 1.0) -> NoiseParameters:
    """Draw the noise of one picture; below strength 1 it is weaker."""
    gaussian = draws.bernoulli(_GAUSSIAN_PROBABILITY)
    levels = settings.sigma if gaussian else settings.poisson_scale
    return NoiseParameters(
        kind=NoiseKind.GAUSSIAN if gaussian else NoiseKind.POISSON,
        level=draws.uniform(contract(levels, strength=strength)),
        gray=draws.bernoulli(_GRAY_PROBABILITY),
    )


def add_noise(
    photos: Float[Tensor, "batch 3 height width"],
    parameters: Sequence[NoiseParameters],
    source: NoiseSource,
) -> Float[Tensor, "batch 3 height width"]:
    """Give every picture its own noise and clamp to [0, 1]."""
    noisy = torch.empty_like(photos)
    for kind in NoiseKind:
        for gray in (True, False):
            chosen = [i for i, each in enumerate(parameters) if each.kind is kind and each.gray is gray]
            if chosen:
                levels = to_device(
                    torch.tensor([parameters[i].level for i in chosen], dtype=photos.dtype), photos.device
                )
                places = index_tensor(chosen, photos)
                noisy.index_copy_(0, places, _add_one_kind(photos[places], levels, kind, gray, source))
    return noisy


def add_gaussian_noise(
    photos: Float[Tensor, "batch 3 height width"],
    draw: Float[Tensor, "batch planes height width"],
    sigmas: Float[Tensor, " batch"],
) -> Float[Tensor, "batch 3 height width"]:
    """Add unit normal draws (one plane for gray noise, or three) times sigma (8-bit levels); clamp to [0, 1]."""
    return (photos + draw * (sigmas / 255.0).view(-1, 1, 1, 1)).clamp(0.0, 1.0)


def poisson_basis(
    photos: Float[Tensor, "batch 3 height width"], *, gray: bool
) -> Float[Tensor, "batch planes height width"]:
    """Mean of Poisson noise: the picture in 8 bit, or its luma in 8 bit."""
    if gray:
        weights = constant(BT601_IN_REAL_ESRGAN, photos.dtype, photos.device).view(1, 3, 1, 1)
        photos = (photos * weights).sum(dim=1, keepdim=True)
    return round_to_8_bit(photos)


def poisson_peaks(basis: Float[Tensor, "batch planes height width"]) -> Float[Tensor, "batch 1 1 1"]:
    """Photons that white stands for: the number of distinct 8-bit values, raised to a power of two."""
    values = (basis * 255.0).round().long().flatten(1)
    seen = torch.zeros(len(basis), 256, device=basis.device).scatter_(1, values, 1.0)
    powers = torch.exp2(torch.arange(8.0, device=basis.device))
    exponents = (seen.sum(dim=1, keepdim=True) > powers).sum(dim=1)
    return torch.exp2(exponents.to(basis)).view(-1, 1, 1, 1)


def add_poisson_noise(
    photos: Float[Tensor, "batch 3 height width"],
    counts: Float[Tensor, "batch planes height width"],
    scales: Float[Tensor, " batch"],
) -> Float[Tensor, "batch 3 height width"]:
    """Add scale times the deviation of Poisson counts (one plane for gray noise, or three) from their rates; clamp.

    The counts are draws for the rates `poisson_basis * poisson_peaks`.
    """
    basis = poisson_basis(photos, gray=counts.shape[1] == 1)
    deviation = counts / poisson_peaks(basis) - basis
    return (photos + deviation * scales.view(-1, 1, 1, 1)).clamp(0.0, 1.0)


def _add_one_kind(
    photos: Tensor, levels: Tensor, kind: NoiseKind, gray: bool, source: NoiseSource
) -> Float[Tensor, "batch 3 height width"]:
    match kind:
        case NoiseKind.GAUSSIAN:
            batch, channels, height, width = photos.shape
            draw = source.normal((batch, 1 if gray else channels, height, width))
            return add_gaussian_noise(photos, draw, levels)
        case NoiseKind.POISSON:
            basis = poisson_basis(photos, gray=gray)
            return add_poisson_noise(photos, source.poisson(basis * poisson_peaks(basis)), levels)
