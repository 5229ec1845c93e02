"""Scratches and creases: long, thin, slightly wavering lines, mostly along the edges of film and paper."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.old_photo import ScratchSettings
from pasd_batch.training.draws import Draws

_TAPER = 12.0


@dataclass(frozen=True)
class Scratch:
    """One scratch.

    `x` and `y` (its middle) are relative to the picture's sides, `length` to its diagonal; `angle` is in radians,
    0 along the rows. Half width, waver and its wavelength are in pixels. `brightness` is bare paper's or a shadow's.
    """

    x: float
    y: float
    angle: float
    length: float
    half_width: float
    waver: float
    wavelength: float
    phase: float
    opacity: float
    brightness: float


def sample_scratches(settings: ScratchSettings, draws: Draws) -> tuple[Scratch, ...]:
    """Draw the scratches of one photo; perhaps none."""
    if not draws.flag(settings.probability):
        return ()
    count = round(draws.skewed(settings.count))
    upright = draws.flag(settings.upright_probability)
    return tuple(_sample_scratch(settings, draws, upright=upright) for _ in range(count))


def add_scratches(
    photo: Float[Tensor, "3 height width"], scratches: Sequence[Scratch]
) -> Float[Tensor, "3 height width"]:
    """Lay the scratches over a photo; in and out within [0, 1]."""
    for scratch in scratches:
        cover = scratch.opacity * _coverage(scratch, photo)
        photo = photo + cover * (scratch.brightness - photo)
    return photo


def _sample_scratch(settings: ScratchSettings, draws: Draws, *, upright: bool) -> Scratch:
    if draws.flag(settings.along_probability):
        angle = (math.pi / 2 if upright else 0.0) + draws.uniform(settings.leaning)
    else:
        angle = draws.uniform((0.0, math.pi))
    dark = draws.flag(settings.dark_probability)
    return Scratch(
        x=draws.fraction(),
        y=draws.fraction(),
        angle=angle,
        length=draws.skewed(settings.length),
        half_width=draws.skewed(settings.width),
        waver=draws.uniform(settings.waver),
        wavelength=draws.uniform(settings.wavelength),
        phase=draws.uniform((0.0, 2.0 * math.pi)),
        opacity=draws.skewed(settings.opacity),
        brightness=draws.uniform(settings.dark_brightness if dark else settings.light_brightness),
    )


def _coverage(scratch: Scratch, photo: Float[Tensor, "3 height width"]) -> Float[Tensor, "height width"]:
    """How much of each pixel the scratch covers: antialiased across, tapered at its ends, uneven along it."""
    height, width = photo.shape[-2:]
    x = torch.arange(width, device=photo.device, dtype=photo.dtype)[None, :] - scratch.x * width
    y = torch.arange(height, device=photo.device, dtype=photo.dtype)[:, None] - scratch.y * height
    cosine, sine = math.cos(scratch.angle), math.sin(scratch.angle)
    along, across = cosine * x + sine * y, cosine * y - sine * x
    turns = 2.0 * math.pi / scratch.wavelength * along + scratch.phase
    center = scratch.waver * (torch.sin(turns) + 0.3 * torch.sin(2.7 * turns))
    covered = (scratch.half_width + 0.5 - (across - center).abs()).clamp(0.0, 1.0)
    reach = 0.5 * scratch.length * math.hypot(height, width)
    ends = ((reach - along.abs()) / _TAPER).clamp(0.0, 1.0)
    wear = 0.7 + 0.3 * torch.sin(5.3 * turns) * torch.sin(3.1 * turns)
    return covered * ends * wear
