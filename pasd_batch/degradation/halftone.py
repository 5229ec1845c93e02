"""Halftone: a picture printed as dots whose size gives the brightness, as in newspapers and books."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.old_photo import HalftoneSettings
from pasd_batch.degradation.batch_tensors import per_channel, per_photo
from pasd_batch.degradation.draws import Draws
from pasd_batch.degradation.strength import contract

_PERIOD = (2.6, 5.0)
"""Distance of the dots, pixels."""

_ROTATION = (-0.05, 0.05)
"""Rotation of the whole screen, radians."""

# Printers turn the screens of the inks against each other, so that the dots make no moire.
_INK_ANGLES = (math.radians(15.0), math.radians(75.0), math.radians(0.0))
_BLACK_ANGLE = math.radians(45.0)
_EDGE_STEEPNESS = 9.0


@dataclass(frozen=True)
class HalftoneParameters:
    """Screen of one printed photo: `period` between dots in pixels, `amount` 0 (none) to 1 (nothing but dots)."""

    amount: float
    period: float
    rotation: float


def sample_halftone(settings: HalftoneSettings, draws: Draws, *, strength: float = 1.0) -> HalftoneParameters:
    """Draw the screen of one photo; amount 0 where it is no print."""
    printed = draws.bernoulli(settings.probability)
    amount = draws.uniform(contract(settings.amount, strength=strength))
    return HalftoneParameters(
        amount=amount if printed else 0.0,
        period=draws.uniform(_PERIOD),
        rotation=draws.uniform(_ROTATION),
    )


def print_halftone(
    photos: Float[Tensor, "batch 3 height width"],
    parameters: Sequence[HalftoneParameters],
    *,
    monochrome: Sequence[bool],
) -> Float[Tensor, "batch 3 height width"]:
    """Print each photo with one black screen, or with one for each channel; in and out within [0, 1]."""
    if not any(each.amount for each in parameters):
        return photos
    inks = [(_BLACK_ANGLE,) * 3 if black else _INK_ANGLES for black in monochrome]
    angles = [[angle + each.rotation for angle in own] for own, each in zip(inks, parameters, strict=True)]
    height, width = photos.shape[-2:]
    y = torch.arange(height, device=photos.device, dtype=photos.dtype)[:, None]
    x = torch.arange(width, device=photos.device, dtype=photos.dtype)[None, :]
    dots = _screens(x, y, per_channel(angles, photos), per_photo([each.period for each in parameters], photos))
    printed = torch.sigmoid(_EDGE_STEEPNESS * (photos - dots))
    return photos + per_photo([each.amount for each in parameters], photos) * (printed - photos)


def _screens(x: Tensor, y: Tensor, angles: Tensor, periods: Tensor) -> Float[Tensor, "batch 3 height width"]:
    """Threshold of each pixel, 0 to 1: above this brightness it has no ink."""
    frequency = 2.0 * math.pi / periods
    cosine, sine = frequency * torch.cos(angles), frequency * torch.sin(angles)
    return 0.5 + 0.25 * (torch.cos(cosine * x + sine * y) + torch.cos(cosine * y - sine * x))
