"""Integer pixels of large photos, which take a quarter or half of the memory of float32."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pasd_batch.photos.row_bands import row_bands

if TYPE_CHECKING:
    from pasd_batch.photos.photo import Photo

MOST_FLOATS = 50_000_000
"""Most pixels of a photo, and of its result, that a worker holds as floats."""

WHITE_LEVEL = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}
"""Integer that stands for 1.0, by data type."""


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Integer pixels as float32 in [0, 1]; float pixels unchanged."""
    largest = WHITE_LEVEL.get(pixels.dtype)
    return pixels if largest is None else np.divide(pixels, np.float32(largest), dtype=np.float32)


def from_float(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Float pixels in [0, 1] rounded to an integer type; unchanged if `dtype` is a float type."""
    largest = WHITE_LEVEL.get(dtype)
    return values if largest is None else np.rint(values * np.float32(largest)).astype(dtype)


def compact(photo: "Photo") -> "Photo":
    """The photo with uint8 pixels if they represent it exactly, else with uint16 pixels."""
    if photo.pixels.dtype in WHITE_LEVEL:
        return photo
    pixels = _levels(photo.pixels, np.dtype(np.uint8)) if photo.bit_depth == 8 else None
    return replace(photo, pixels=_levels(photo.pixels, np.dtype(np.uint16)) if pixels is None else pixels)


def _levels(pixels: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    """The pixels as integers; None if uint8 would not represent them exactly."""
    made = np.empty(pixels.shape, dtype=dtype)
    for rows in row_bands(pixels):
        made[rows] = from_float(pixels[rows], dtype)
        if dtype == np.uint8 and not np.array_equal(to_float(made[rows]), pixels[rows]):
            return None
    return made
