"""Dust on prints, negatives and scanner glass: irregular specks, and a few curled hairs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.old_photo import DustSettings
from pasd_batch.training.draws import Draws

_HAIR_POINTS = 48


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


def sample_dust(settings: DustSettings, draws: Draws, *, pixels: int) -> DustParameters:
    """Draw the dust of one photo of so many pixels; perhaps none."""
    dusty = draws.flag(settings.probability)
    dark = draws.flag(settings.dark_probability)
    brightness = draws.uniform(settings.dark_brightness if dark else settings.light_brightness)
    # Rounded up or down at random: small crops then have as much dust on average as the photos they come from.
    count = int(draws.uniform(settings.density) * pixels / 1e6 + draws.fraction()) if dusty else 0
    hairs = int(count * draws.uniform(settings.hair_share) + draws.fraction()) if dusty else 0
    return DustParameters(
        specks=tuple(_sample_speck(settings, draws) for _ in range(count - min(count, hairs))),
        hairs=tuple(_sample_hair(settings, draws) for _ in range(min(count, hairs))),
        brightness=brightness,
    )


def add_dust(photo: Float[Tensor, "3 height width"], parameters: DustParameters) -> Float[Tensor, "3 height width"]:
    """Lay the dust over a photo; in and out within [0, 1]."""
    if not parameters.specks and not parameters.hairs:
        return photo
    cover = torch.zeros(photo.shape[-2:])
    for speck in parameters.specks:
        _cover_with_speck(cover, speck)
    for hair in parameters.hairs:
        _cover_with_hair(cover, hair)
    return photo + cover.to(photo) * (parameters.brightness - photo)


def _sample_speck(settings: DustSettings, draws: Draws) -> Speck:
    return Speck(
        x=draws.fraction(),
        y=draws.fraction(),
        radius=draws.skewed(settings.radius),
        opacity=draws.uniform(settings.opacity),
        phases=(draws.uniform((0.0, 2.0 * math.pi)), draws.uniform((0.0, 2.0 * math.pi))),
    )


def _sample_hair(settings: DustSettings, draws: Draws) -> Hair:
    return Hair(
        x=draws.fraction(),
        y=draws.fraction(),
        length=draws.uniform(settings.hair_length),
        half_width=draws.uniform(settings.hair_width),
        opacity=draws.uniform(settings.opacity),
        angle=draws.uniform((0.0, 2.0 * math.pi)),
        curl=draws.uniform(settings.hair_curl),
        curl_change=draws.uniform(settings.hair_curl),
    )


def _cover_with_speck(cover: Float[Tensor, "height width"], speck: Speck) -> None:
    x, y = speck.x * cover.shape[1], speck.y * cover.shape[0]
    window, columns, rows = _window(cover, x=(x, x), y=(y, y), margin=2.0 * speck.radius + 1.0)
    angle = torch.atan2(rows - y, columns - x)
    first, second = speck.phases
    outline = 1.0 + 0.3 * torch.sin(2.0 * angle + first) + 0.2 * torch.sin(3.0 * angle + second)
    distance = torch.hypot(columns - x, rows - y)
    covered = (speck.radius * outline + 0.5 - distance).clamp(0.0, 1.0)
    window.copy_(torch.maximum(window, speck.opacity * covered))


def _cover_with_hair(cover: Float[Tensor, "height width"], hair: Hair) -> None:
    """The hair is an arc whose curvature changes along it, followed by a row of points."""
    place = torch.linspace(-0.5, 0.5, _HAIR_POINTS)
    heading = hair.angle + hair.curl * place + hair.curl_change * place.square()
    step = hair.length / (_HAIR_POINTS - 1)
    x = hair.x * cover.shape[1] + step * (heading.cos().cumsum(0) - heading.cos().sum() / 2)
    y = hair.y * cover.shape[0] + step * (heading.sin().cumsum(0) - heading.sin().sum() / 2)
    spans = [(float(axis.min()), float(axis.max())) for axis in (x, y)]
    window, columns, rows = _window(cover, x=spans[0], y=spans[1], margin=hair.half_width + 2.0)
    distance = torch.hypot(columns[None] - x[:, None, None], rows[None] - y[:, None, None]).amin(dim=0)
    covered = (hair.half_width + 0.5 - distance).clamp(0.0, 1.0)
    window.copy_(torch.maximum(window, hair.opacity * covered))


def _window(
    cover: Float[Tensor, "height width"],
    *,
    x: tuple[float, float],
    y: tuple[float, float],
    margin: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """A view of the part of the cover around these spans, with its pixels' column and row numbers."""
    spans: Sequence[tuple[float, float]] = (y, x)
    starts = [max(0, math.floor(low - margin)) for low, _ in spans]
    stops = [
        max(start, min(side, math.ceil(high + margin) + 1))
        for (_, high), side, start in zip(spans, cover.shape, starts, strict=True)
    ]
    rows, columns = (torch.arange(start, stop) for start, stop in zip(starts, stops, strict=True))
    window = cover[starts[0] : stops[0], starts[1] : stops[1]]
    return window, columns[None, :].to(cover), rows[:, None].to(cover)
