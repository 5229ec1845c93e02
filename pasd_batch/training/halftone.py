"""Halftone: a picture printed as dots whose size gives the brightness, as in newspapers and books."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.old_photo import HalftoneSettings
from pasd_batch.training.draws import Draws

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


def sample_halftone(settings: HalftoneSettings, draws: Draws) -> HalftoneParameters:
    """Draw the screen of one photo; amount 0 where it is no print."""
    printed = draws.flag(settings.probability)
    amount = draws.uniform(settings.amount)
    return HalftoneParameters(
        amount=amount if printed else 0.0,
        period=draws.uniform(settings.period),
        rotation=draws.uniform(settings.rotation),
    )


def print_halftone(
    photo: Float[Tensor, "3 height width"], parameters: HalftoneParameters, *, monochrome: bool
) -> Float[Tensor, "3 height width"]:
    """Print with one black screen, or with one for each channel; in and out within [0, 1]."""
    if parameters.amount == 0.0:
        return photo
    angles = (_BLACK_ANGLE,) * 3 if monochrome else _INK_ANGLES
    height, width = photo.shape[-2:]
    y = torch.arange(height, device=photo.device, dtype=photo.dtype)[:, None]
    x = torch.arange(width, device=photo.device, dtype=photo.dtype)[None, :]
    dots = torch.stack([_screen(x, y, angle + parameters.rotation, parameters.period) for angle in angles])
    printed = torch.sigmoid(_EDGE_STEEPNESS * (photo - dots))
    return photo + parameters.amount * (printed - photo)


def _screen(x: Tensor, y: Tensor, angle: float, period: float) -> Float[Tensor, "height width"]:
    """Brightness, 0 to 1, from which on a place stays free of ink."""
    frequency = 2.0 * math.pi / period
    along = frequency * (math.cos(angle) * x + math.sin(angle) * y)
    across = frequency * (math.cos(angle) * y - math.sin(angle) * x)
    return 0.5 + 0.25 * (torch.cos(along) + torch.cos(across))
