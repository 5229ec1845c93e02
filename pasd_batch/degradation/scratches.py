"""Scratches and creases: long, thin, slightly wavering lines, mostly along the edges of film and paper."""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import zip_longest
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.old_photo import ScratchSettings
from pasd_batch.degradation.batch_tensors import per_photo
from pasd_batch.degradation.draws import Draws
from pasd_batch.degradation.strength import contract

_WIDTH = (0.2, 1.5)
"""Half width, pixels; thin ones are commoner."""

_LENGTH = (0.03, 1.5)
"""Length, fraction of the photo's diagonal; short ones are commoner."""

_WAVER = (0.0, 3.0)
"""Deviation of a scratch from its line, pixels."""

_WAVELENGTH = (60.0, 400.0)
"""Length over which it returns to its line, pixels."""

_OPACITY = (0.25, 0.95)
"""Opacity of a scratch at its centre; faint ones are commoner."""

_DARK_PROBABILITY = 0.25
"""Probability that a scratch is dark (a fold's shadow) rather than bare paper."""

_DARK, _LIGHT = (0.03, 0.2), (0.8, 1.0)
"""Brightness of dark scratches, and of bare paper."""

_ALONG_PROBABILITY = 0.7
"""Probability that a scratch runs along the film's or the paper's edge, rather than anywhere."""

_UPRIGHT_PROBABILITY = 0.75
"""Probability that this edge is upright."""

_LEANING = (-0.06, 0.06)
"""Angle between the edge and a scratch along it, radians."""

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


def sample_scratches(settings: ScratchSettings, draws: Draws, *, strength: float = 1.0) -> tuple[Scratch, ...]:
    """Draw the scratches of one photo; perhaps none."""
    if not draws.bernoulli(settings.probability):
        return ()
    count = round(draws.skewed(contract(settings.count, strength=strength)))
    upright = draws.bernoulli(_UPRIGHT_PROBABILITY)
    return tuple(_sample_scratch(draws, upright=upright, strength=strength) for _ in range(count))


def add_scratches(
    photos: Float[Tensor, "batch 3 height width"], scratches: Sequence[Sequence[Scratch]]
) -> Float[Tensor, "batch 3 height width"]:
    """Lay each photo's scratches over it, one after the other; in and out within [0, 1]."""
    for layer in zip_longest(*scratches, fillvalue=_NO_SCRATCH):
        values = zip(*(astuple(scratch) for scratch in layer), strict=True)
        drawn = _Scratches(*(per_photo(value, photos) for value in values))
        photos = photos + drawn.opacity * _coverage(drawn, photos) * (drawn.brightness - photos)
    return photos


def _sample_scratch(draws: Draws, *, upright: bool, strength: float) -> Scratch:
    if draws.bernoulli(_ALONG_PROBABILITY):
        angle = (math.pi / 2 if upright else 0.0) + draws.uniform(_LEANING)
    else:
        angle = draws.uniform((0.0, math.pi))
    dark = draws.bernoulli(_DARK_PROBABILITY)
    return Scratch(
        x=draws.random(),
        y=draws.random(),
        angle=angle,
        length=draws.skewed(_LENGTH),
        half_width=draws.skewed(_WIDTH),
        waver=draws.uniform(_WAVER),
        wavelength=draws.uniform(_WAVELENGTH),
        phase=draws.uniform((0.0, 2.0 * math.pi)),
        opacity=draws.skewed(contract(_OPACITY, strength=strength)),
        brightness=draws.uniform(_DARK if dark else _LIGHT),
    )


def _coverage(scratches: "_Scratches", photos: Tensor) -> Float[Tensor, "batch 1 height width"]:
    """Coverage of each pixel by a scratch: antialiased across, tapered at its ends, uneven along it."""
    height, width = photos.shape[-2:]
    x = torch.arange(width, device=photos.device, dtype=photos.dtype)[None, :] - scratches.x * width
    y = torch.arange(height, device=photos.device, dtype=photos.dtype)[:, None] - scratches.y * height
    cosine, sine = torch.cos(scratches.angle), torch.sin(scratches.angle)
    along, across = cosine * x + sine * y, cosine * y - sine * x
    turns = 2.0 * math.pi / scratches.wavelength * along + scratches.phase
    center = scratches.waver * (torch.sin(turns) + 0.3 * torch.sin(2.7 * turns))
    covered = (scratches.half_width + 0.5 - (across - center).abs()).clamp(0.0, 1.0)
    reach = 0.5 * scratches.length * math.hypot(height, width)
    ends = ((reach - along.abs()) / _TAPER).clamp(0.0, 1.0)
    wear = 0.7 + 0.3 * torch.sin(5.3 * turns) * torch.sin(3.1 * turns)
    return covered * ends * wear


class _Scratches(NamedTuple):
    """One scratch of each photo of a batch: the fields of `Scratch` as columns (batch, 1, 1, 1)."""

    x: Tensor
    y: Tensor
    angle: Tensor
    length: Tensor
    half_width: Tensor
    waver: Tensor
    wavelength: Tensor
    phase: Tensor
    opacity: Tensor
    brightness: Tensor


_NO_SCRATCH = Scratch(
    x=0.0,
    y=0.0,
    angle=0.0,
    length=0.0,
    half_width=0.0,
    waver=0.0,
    wavelength=1.0,
    phase=0.0,
    opacity=0.0,
    brightness=0.0,
)
"""Invisible scratch, for photos that have fewer than others of their batch."""
