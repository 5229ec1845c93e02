"""Photographs degraded by a known amount, by other means than the package's own."""

import io

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage import data


def photographs() -> dict[str, np.ndarray]:
    """Sharp ones with little noise, uint8 (height, width, 3)."""
    halved = Image.fromarray(data.astronaut()).reduce(2)
    return {"coffee": data.coffee(), "astronaut": np.asarray(halved)}


def as_uint8(levels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def noisy(pixels: np.ndarray, sigma: float, *, channels: int = 3) -> np.ndarray:
    draw = np.random.default_rng(7).standard_normal((*pixels.shape[:2], channels))
    return as_uint8(pixels + sigma * draw)


def blurred(pixels: np.ndarray, sigma: float) -> np.ndarray:
    return as_uint8(ndimage.gaussian_filter(pixels.astype(np.float64), sigma, axes=(0, 1)))


def jpeg_bytes(pixels: np.ndarray, quality: int, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, **options)
    return file.getvalue()


def compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg_bytes(pixels, quality))))


def enlarged(pixels: np.ndarray, factor: int, filter_: Image.Resampling = Image.Resampling.BICUBIC) -> np.ndarray:
    height, width = pixels.shape[:2]
    return np.asarray(Image.fromarray(pixels).resize((width * factor, height * factor), filter_))
