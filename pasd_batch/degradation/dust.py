"""Dust on prints, negatives and scanner glass: irregular specks, and a few curled hairs."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.old_photo import DustSettings
from pasd_batch.degradation.batch_tensors import index_tensor, per_photo, to_device
from pasd_batch.degradation.draws import Draws
from pasd_batch.degradation.strength import contract

_RADIUS = (0.5, 2.4)
"""Radius of a speck, pixels; small ones are commoner."""

_OPACITY = (0.4, 1.0)
"""Opacity of a speck or a hair."""

_DARK_PROBABILITY = 0.3
"""Probability that the photo's specks are dark."""

_DARK, _LIGHT = (0.02, 0.2), (0.85, 1.0)
"""Brightness of dark and of light specks."""

_HAIR_LENGTH = (12.0, 70.0)
"""Length of a hair, pixels."""

_HAIR_WIDTH = (0.2, 0.6)
"""Half width of a hair, pixels."""

_HAIR_CURL = (-3.0, 3.0)
"""Turn of a hair from end to end, and the difference of its curvature between the ends, radians."""

_HAIR_POINTS = 48
_SPECKS_AT_ONCE, _HAIRS_AT_ONCE = 4096, 16
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Speck:
    """One speck: middle relative to the picture, radius in pixels, and the phases of its uneven outline."""

    x: float
    y: float
    radius: float
    opacity: float
    phases: tuple[float, float]


@dataclass(frozen=True)
class Hair:
    """One hair: middle relative to the picture, length and half width in pixels, direction and curl in radians."""

    x: float
    y: float
    length: float
    half_width: float
    opacity: float
    angle: float
    curl: float
    curl_change: float


@dataclass(frozen=True)
class DustParameters:
    """All dust of one photo, of one brightness."""

    specks: tuple[Speck, ...]
    hairs: tuple[Hair, ...]
    brightness: float


def sample_dust(settings: DustSettings, draws: Draws, *, pixels: int, strength: float = 1.0) -> DustParameters:
    """Draw the dust of one photo of `pixels` pixels; perhaps none."""
    dusty = draws.bernoulli(settings.probability)
    dark = draws.bernoulli(_DARK_PROBABILITY)
    brightness = draws.uniform(_DARK if dark else _LIGHT)
    # Stochastic rounding, so that small crops have the same mean density of dust as whole photos.
    density = contract(settings.density, strength=strength)
    opacity = contract(_OPACITY, strength=strength)
    count = int(draws.uniform(density) * pixels / 1e6 + draws.random()) if dusty else 0
    hairs = int(count * draws.uniform(settings.hair_share) + draws.random()) if dusty else 0
    return DustParameters(
        specks=tuple(_sample_speck(draws, opacity) for _ in range(count - min(count, hairs))),
        hairs=tuple(_sample_hair(draws, opacity) for _ in range(min(count, hairs))),
        brightness=brightness,
    )


def add_dust(
    photos: Float[Tensor, "batch 3 height width"], parameters: Sequence[DustParameters]
) -> Float[Tensor, "batch 3 height width"]:
    """Lay each photo's dust over it; in and out within [0, 1]."""
    specks = [(place, speck) for place, each in enumerate(parameters) for speck in each.specks]
    hairs = [(place, hair) for place, each in enumerate(parameters) for hair in each.hairs]
    if not specks and not hairs:
        return photos
    cover = photos.new_zeros(len(photos), 1, *photos.shape[-2:])
    for several in _in_groups(specks, _SPECKS_AT_ONCE):
        _cover_with_specks(cover, several)
    for several in _in_groups(hairs, _HAIRS_AT_ONCE):
        _cover_with_hairs(cover, several)
    return photos + cover * (per_photo([each.brightness for each in parameters], photos) - photos)


def _sample_speck(draws: Draws, opacity: tuple[float, float]) -> Speck:
    return Speck(
        x=draws.random(),
        y=draws.random(),
        radius=draws.skewed(_RADIUS),
        opacity=draws.uniform(opacity),
        phases=(draws.uniform((0.0, 2.0 * math.pi)), draws.uniform((0.0, 2.0 * math.pi))),
    )


def _sample_hair(draws: Draws, opacity: tuple[float, float]) -> Hair:
    return Hair(
        x=draws.random(),
        y=draws.random(),
        length=draws.uniform(_HAIR_LENGTH),
        half_width=draws.uniform(_HAIR_WIDTH),
        opacity=draws.uniform(opacity),
        angle=draws.uniform((0.0, 2.0 * math.pi)),
        curl=draws.uniform(_HAIR_CURL),
        curl_change=draws.uniform(_HAIR_CURL),
    )


def _in_groups(items: Sequence[_Item], most: int) -> Iterator[Sequence[_Item]]:
    return (items[start : start + most] for start in range(0, len(items), most))


def _cover_with_specks(cover: Tensor, specks: Sequence[tuple[int, Speck]]) -> None:
    height, width = cover.shape[-2:]
    rows = [(s.x * width, s.y * height, s.radius, s.opacity, *s.phases) for _, s in specks]
    x, y, radius, opacity, first, second = _columns(rows, cover)
    # 1.5 radii are as far as an outline goes.
    reach = math.ceil(1.5 * max(speck.radius for _, speck in specks) + 1.0)
    columns, lines = _windows(x, y, reach)
    angle = torch.atan2(lines - y, columns - x)
    outline = 1.0 + 0.3 * torch.sin(2.0 * angle + first) + 0.2 * torch.sin(3.0 * angle + second)
    covered = (radius * outline + 0.5 - torch.hypot(columns - x, lines - y)).clamp(0.0, 1.0)
    _raise_cover(cover, [place for place, _ in specks], columns, lines, opacity * covered)


def _cover_with_hairs(cover: Tensor, hairs: Sequence[tuple[int, Hair]]) -> None:
    """A hair is an arc whose curvature changes along it, followed by a row of points around its middle."""
    height, width = cover.shape[-2:]
    rows = [
        (h.x * width, h.y * height, h.length, h.half_width, h.opacity, h.angle, h.curl, h.curl_change) for _, h in hairs
    ]
    x, y, length, half_width, opacity, angle, curl, curl_change = _columns(rows, cover)
    place = torch.linspace(-0.5, 0.5, _HAIR_POINTS, device=cover.device)[:, None, None]
    heading = angle[:, None] + curl[:, None] * place + curl_change[:, None] * place.square()
    step = length[:, None] / (_HAIR_POINTS - 1)
    along = [step * (side.cumsum(1) - side.sum(1, keepdim=True) / 2) for side in (heading.cos(), heading.sin())]
    reach = math.ceil(max(0.5 * hair.length + hair.half_width for _, hair in hairs) + 2.0)
    columns, lines = _windows(x, y, reach)
    across, down = columns[:, None] - x[:, None] - along[0], lines[:, None] - y[:, None] - along[1]
    covered = (half_width + 0.5 - torch.hypot(across, down).amin(dim=1)).clamp(0.0, 1.0)
    _raise_cover(cover, [place for place, _ in hairs], columns, lines, opacity * covered)


def _columns(rows: Sequence[tuple[float, ...]], like: Tensor) -> tuple[Float[Tensor, "things 1 1"], ...]:
    return to_device(torch.tensor(rows, dtype=like.dtype), like.device)[..., None, None].unbind(dim=1)


def _windows(x: Tensor, y: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Column and row indices of the pixels within `reach` of each centre."""
    offsets = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    return x.round() + offsets[None, None, :], y.round() + offsets[None, :, None]


def _raise_cover(cover: Tensor, places: Sequence[int], columns: Tensor, lines: Tensor, values: Tensor) -> None:
    """Maximum of the cover (batch, 1, height, width) and these values, in the photos with indices `places`."""
    height, width = cover.shape[-2:]
    inside = (columns >= 0) & (columns < width) & (lines >= 0) & (lines < height)
    pixels = lines.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    starts = index_tensor(places, cover)[:, None, None] * (height * width)
    cover.view(-1).scatter_reduce_(0, (starts + pixels.long()).flatten(), (values * inside).flatten(), reduce="amax")
