"""Pixels of every data type as grey levels of 0 to 255."""

import numpy as np
from jaxtyping import Float32, UInt8

from pasd_batch.photos.row_bands import row_bands

WHITE_LEVEL = 255.0
"""White, in 8-bit levels; 16-bit and floating-point pixels have levels in between."""

ROWS_AT_ONCE = 64
_UINT8, _UINT16 = np.dtype(np.uint8), np.dtype(np.uint16)


def checked_pixels(pixels: np.ndarray) -> np.ndarray:
    """The pixels of a photo, if they are (height, width, 3) of a type that `as_levels` takes.

    Raises:
        ValueError: they are not, or there are none.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ValueError(f"pixels of shape {pixels.shape} are no photo of (height, width, 3); repeat a grey channel")
    if pixels.dtype not in (_UINT8, _UINT16) and pixels.dtype.kind != "f":
        raise ValueError(f"pixels of type {pixels.dtype} cannot be measured; give uint8, uint16, or floats in [0, 1]")
    return pixels


def as_levels(pixels: np.ndarray) -> Float32[np.ndarray, "..."]:
    """uint8, uint16, or floats in [0, 1] (clipped) as float32 from 0 to 255."""
    if pixels.dtype == _UINT8:
        return pixels.astype(np.float32)
    if pixels.dtype == _UINT16:
        return pixels.astype(np.float32) / np.float32(257.0)
    return np.clip(pixels.astype(np.float32) * np.float32(WHITE_LEVEL), 0.0, WHITE_LEVEL)


def as_uint8(pixels: np.ndarray) -> UInt8[np.ndarray, "..."]:
    """Pixels that `as_levels` takes, rounded to 8 bits; in bands of rows, to save memory."""
    if pixels.dtype == _UINT8:
        return pixels
    rounded = np.empty(pixels.shape, dtype=np.uint8)
    for rows in row_bands(pixels, ROWS_AT_ONCE):
        rounded[rows] = np.rint(as_levels(pixels[rows]))
    return rounded
