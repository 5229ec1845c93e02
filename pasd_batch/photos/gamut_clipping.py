"""Warning about CMYK and Lab colours that are out of sRGB's gamut and were clipped."""

import numpy as np
from PIL import Image

from pasd_batch.photos.color_space import linear_to_srgb, xyz_to_linear_srgb
from pasd_batch.photos.errors import Warn

_LARGEST_SAMPLE = 256  # in either direction; each pixel takes some 260 bytes
_VISIBLE = 0.04  # beyond 0 and 1; what tables of profiles are off by is less
_LEAST_SHARE = 0.001
_D50 = np.array([0.9642, 1.0, 0.8249])


def sample_of(image: Image.Image) -> Image.Image:
    """Pixels of an image, evenly spread, at most 256 x 256."""
    width, height = (min(side, _LARGEST_SAMPLE) for side in image.size)
    return image.resize((width, height), Image.Resampling.NEAREST)


def warn_of_clipped_colors(sample: Image.Image, icc: bytes | None, warn: Warn) -> None:
    """Warn of the share of an 8-bit CMYK or Lab image's pixels that is out of sRGB's gamut.

    `icc` is the profile by which CMYK was converted; without one it is the complement of RGB, and within sRGB.
    """
    if sample.mode == "CMYK" and icc is None:
        return
    numbers = np.asarray(sample)
    unbounded = _lab_to_srgb(numbers) if icc is None or sample.mode == "LAB" else _cmyk_to_srgb(numbers, icc)
    share = float(((unbounded < -_VISIBLE) | (unbounded > 1.0 + _VISIBLE)).any(axis=2).mean())
    if share >= _LEAST_SHARE:
        warn(f"colours that sRGB does not hold were cut off at its edge, in about {share:.1%} of the photo")


def _cmyk_to_srgb(inks: np.ndarray, icc: bytes) -> np.ndarray:
    import imagecodecs

    percent = inks / np.float32(2.55)  # as LittleCMS wants floats
    return imagecodecs.cms_transform(
        percent, icc, imagecodecs.cms_profile("srgb"), colorspace="cmyk", outcolorspace="rgb", outdtype=np.float32
    )


def _lab_to_srgb(lab: np.ndarray) -> np.ndarray:
    """CIELab of 8 bits, a and b signed, to sRGB that is not bounded (ICC.1:2010, annex A)."""
    hues = lab[..., 1:].view(np.int8).astype(np.float64)
    middle = (lab[..., 0] / 2.55 + 16.0) / 116.0
    cubes = np.stack([middle + hues[..., 0] / 500.0, middle, middle - hues[..., 1] / 200.0], axis=2)
    xyz = np.where(cubes > 6 / 29, cubes**3, 3 * (6 / 29) ** 2 * (cubes - 4 / 29)) * _D50
    return linear_to_srgb(xyz_to_linear_srgb(xyz))
