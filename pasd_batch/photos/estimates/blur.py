"""Blur of a photo: the standard deviation of the Gaussian that has softened its sharpest edges.

By blurring once more, as S. Zhuo and T. Sim, "Defocus map estimation from a single image" (2011), section 3: at a step
edge of blur s the gradient is proportional to 1 / sqrt(s^2 + d^2), d the derivative's own Gaussian. Another blur of b
leaves the share r of it, where r^2 = (s^2 + d^2) / (s^2 + d^2 + b^2).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32
from scipy import ndimage

from pasd_batch.photos.estimates.noise import plane_noise
from pasd_batch.photos.estimates.sample import PhotoSample

LARGEST_BLUR = 10.0
"""Pixels; stronger blur reads as this."""

_STRONGEST = 0.05
"""Part of the pixels that are taken as edges."""

_WEAKEST_EDGE = 1.0
"""Levels a pixel; where all edges are weaker, the steps of 8 bits count as much as they do."""

_FEWEST_EDGES, _SMALLEST_SHARE = 16, 0.002
"""Pixels of edges that are needed, and their part of all."""

_SMALLEST_SIDE = 16
"""Pixels a side, times the scale's blur."""

_TRUNCATED = 4.0
"""Deviations at which Gaussians end."""


@dataclass(frozen=True)
class _Scale:
    """Deviations of the derivative's Gaussian and of the further blur, pixels; coarse scales see through noise."""

    derivative: float
    blur: float
    above_noise: float
    """Times the noise that an edge must have after the further blur, so that noise does not make it look sharp."""

    @property
    def noise_gain(self) -> float:
        """Deviation of white noise's gradient after the further blur, along an axis."""
        return 1.0 / (math.sqrt(8.0 * math.pi) * (self.derivative**2 + self.blur**2))


_SCALES = (_Scale(0.7, 1.0, 25.0), _Scale(1.0, 1.5, 25.0), _Scale(1.4, 2.0, 25.0), _Scale(2.0, 3.0, 12.0))


def blur_sigma(sample: PhotoSample) -> float | None:
    """Standard deviation of the blur in pixels, 0 to 10; a sharp photo reads 0.4 to 1.

    None if it has no edge that stands out of its noise, or is smaller than 16 pixels. Lines as thin as the blur, such
    as those of text, read too sharp by up to a third.
    """
    noise = plane_noise(sample.luma, sample.visible) or 0.0
    for scale in _SCALES:
        if min(sample.luma.shape[1:]) >= _SMALLEST_SIDE * scale.blur:
            sigma = _at_scale(sample, scale, noise)
            if sigma is not None:
                return sigma
    return None


def _at_scale(sample: PhotoSample, scale: _Scale, noise: float) -> float | None:
    """The blur at this scale; None if too few edges stand out."""
    softened = _gradient(
        ndimage.gaussian_filter(sample.luma, scale.blur, axes=(1, 2), mode="nearest", truncate=_TRUNCATED), scale
    )
    strength = np.sqrt(softened[0] ** 2 + softened[1] ** 2)
    shown = _untouched(sample.visible, scale)
    counted = strength.ravel() if shown is None else strength[shown]
    if not counted.size:
        return None
    place = min(counted.size - 1, math.floor((1.0 - _STRONGEST) * counted.size))
    least = max(_WEAKEST_EDGE, scale.above_noise * scale.noise_gain * noise)
    edges = strength >= max(least, np.partition(counted, place)[place])
    if shown is not None:
        edges &= shown
    if np.count_nonzero(edges) < max(_FEWEST_EDGES, _SMALLEST_SHARE * counted.size):
        return None
    # Along the softened gradient, whose direction noise moves little, noise makes the gradient no larger on average.
    before = _gradient(sample.luma, scale)
    along = sum(first[edges] * second[edges] for first, second in zip(before, softened, strict=True))
    growth = float(np.median(along / strength[edges] ** 2))
    return _blur_of(growth, scale)


def _untouched(visible: np.ndarray | None, scale: _Scale) -> Bool[np.ndarray, "windows height width"] | None:
    """Pixels whose gradients no hidden colour has a part in; None for all."""
    if visible is None:
        return None
    side = 2 * math.ceil(_TRUNCATED * (scale.derivative + scale.blur)) + 1
    return np.asarray(ndimage.minimum_filter(visible, size=(1, side, side)), dtype=bool)


def _blur_of(growth: float, scale: _Scale) -> float:
    """Blur of edges whose gradient is `growth` times that after the further blur."""
    if growth <= 1.0:
        return LARGEST_BLUR
    squared = scale.blur**2 / (growth**2 - 1.0) - scale.derivative**2
    return min(LARGEST_BLUR, math.sqrt(max(0.0, squared)))


def _gradient(
    luma: Float32[np.ndarray, "windows height width"], scale: _Scale
) -> tuple[Float32[np.ndarray, "windows height width"], Float32[np.ndarray, "windows height width"]]:
    """Down and across, levels a pixel."""
    down = _filtered(_filtered(luma, scale, axis=2, order=0), scale, axis=1, order=1)
    across = _filtered(_filtered(luma, scale, axis=1, order=0), scale, axis=2, order=1)
    return down, across


def _filtered(luma: np.ndarray, scale: _Scale, *, axis: int, order: int) -> np.ndarray:
    sigma = scale.derivative
    return ndimage.gaussian_filter1d(luma, sigma, axis=axis, order=order, mode="nearest", truncate=_TRUNCATED)
