"""Colour cast: distance of a photo's mean colour from grey, relative to the spread of its colours.

F. Gasparini and R. Schettini, "Color balancing of digital photos using simple image statistics" (2004): in CIELAB's
plane of a* and b*, a cast is a distribution that is narrow beside its distance from the neutral axis.
"""

import math
from dataclasses import dataclass

import numpy as np

from pasd_batch.photos.estimates.levels import as_levels, checked_pixels

_LEAST = 0.02
"""Quantile of chroma that counts as the cast's minimum."""

_DARKEST, _LIGHTEST = 40.0, 95.0
"""L* between which a cast shows: light multiplied by a colour gives dark parts little of it."""

_LONGEST_SIDE = 256
"""Pixels; colours of a larger photo are averaged over squares first."""


@dataclass(frozen=True)
class ColorCast:
    """Distribution of a photo's colours in CIELAB (D65).

    Attributes:
        a: mean of a*, green (negative) to magenta.
        b: mean of b*, blue (negative) to yellow.
        spread: deviation of the colours from that mean in the plane of a* and b*.
        chroma_99: 99 % quantile of chroma, sqrt(a*^2 + b*^2); in a photo that is grey to the eye below 3 or so.
        chroma_02: 2 % quantile of those that are neither dark nor white: even what should be grey has so much in a
            photo with a cast. None if all are.
    """

    a: float
    b: float
    spread: float
    chroma_99: float
    chroma_02: float | None


def measure_color_cast(pixels: np.ndarray) -> ColorCast:
    """Cast of a photo (height, width, 3), sRGB, as `as_levels` takes it."""
    from skimage.color import rgb2lab

    lab = rgb2lab(_small(checked_pixels(pixels)) / 255.0)
    a, b = lab[..., 1].ravel(), lab[..., 2].ravel()
    chroma = np.hypot(a, b)
    spread = math.hypot(float(a.std()), float(b.std()))
    lightness = lab[..., 0].ravel()
    visible = chroma[(lightness > _DARKEST) & (lightness < _LIGHTEST)]
    least = float(np.quantile(visible, _LEAST)) if visible.size else None
    return ColorCast(float(a.mean()), float(b.mean()), spread, float(np.quantile(chroma, 0.99)), least)


def _small(pixels: np.ndarray) -> np.ndarray:
    """Levels (height, width, 3) of the photo, reduced by a whole factor so that it is `_LONGEST_SIDE` at most."""
    factor = -(-max(pixels.shape[:2]) // _LONGEST_SIDE)
    reduced = []
    for start in range(0, len(pixels), factor):
        strip = as_levels(pixels[start : start + factor]).mean(axis=0)
        starts = np.arange(0, len(strip), factor)
        counts = np.minimum(starts + factor, len(strip)) - starts
        reduced.append(np.add.reduceat(strip, starts, axis=0) / counts[:, np.newaxis])
    return np.stack(reduced)
