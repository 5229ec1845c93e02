"""Estimates of a photo's degradation: noise, blur and JPEG compression."""

import numpy as np

from pasd_batch.photos.estimates.blur import blur_sigma
from pasd_batch.photos.estimates.jpeg_blocks import jpeg_strength
from pasd_batch.photos.estimates.noise import noise_sigma
from pasd_batch.photos.estimates.sample import sample_photo
from pasd_batch.photos.jpeg_quality import jpeg_quality
from pasd_batch.records import DegradationEstimate


def estimate_degradation(
    pixels: np.ndarray, *, alpha: np.ndarray | None = None, file: bytes | None = None
) -> DegradationEstimate:
    """Readings of a photo (height, width, 3), sRGB, before it is enlarged: uint8, uint16, or floats in [0, 1].

    `alpha` is float (height, width) in [0, 1], `file` the photo's file, if its JPEG quality is to be read. Plain
    borders are left out, and of a photo of more than 640,000 pixels windows are looked at, so that it takes the same
    time whatever its size.

    Raises:
        ValueError: shape or type are none of these.
    """
    sample = sample_photo(pixels, alpha)
    quality = None if file is None else jpeg_quality(file)
    return DegradationEstimate(
        noise_sigma=noise_sigma(sample),
        blur_sigma=blur_sigma(sample),
        jpeg_strength=jpeg_strength(sample),
        jpeg_quality=None if quality is None else quality.value,
    )
