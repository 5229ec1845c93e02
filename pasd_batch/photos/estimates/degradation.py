"""Degradation of a photo as far as its pixels and its file tell: noise, blur, and JPEG's compression."""

from dataclasses import dataclass

import numpy as np

from pasd_batch.photos.estimates.blur import blur_sigma
from pasd_batch.photos.estimates.jpeg_blocks import jpeg_strength
from pasd_batch.photos.estimates.noise import noise_sigma
from pasd_batch.photos.estimates.sample import sample_photo


@dataclass(frozen=True)
class DegradationEstimate:
    """Readings of one photo before it is enlarged; None where its pixels cannot tell.

    Attributes:
        noise_sigma: standard deviation of a channel's noise, 8-bit levels.
        blur_sigma: standard deviation of a Gaussian blur, pixels; 0 to 10.
        jpeg_strength: height of the steps at the borders of 8x8 blocks, 8-bit levels; below 0.3 there are none to see.
    """

    noise_sigma: float | None
    blur_sigma: float | None
    jpeg_strength: float | None


def estimate_degradation(pixels: np.ndarray, *, alpha: np.ndarray | None = None) -> DegradationEstimate:
    """Readings of a photo (height, width, 3), sRGB: uint8, uint16, or floats in [0, 1].

    `alpha` is float (height, width) in [0, 1]. Plain borders are left out, and of a photo of more than 640,000 pixels
    windows are looked at, so that it takes the same time whatever its size.

    Raises:
        ValueError: shape or type are none of these.
    """
    sample = sample_photo(pixels, alpha)
    return DegradationEstimate(noise_sigma(sample), blur_sigma(sample), jpeg_strength(sample))
