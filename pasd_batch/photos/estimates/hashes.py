"""Hashes of a photo: SHA-256 of its pixels for exact duplicates, a perceptual hash for near ones."""

import hashlib

import numpy as np
from PIL import Image
from scipy import fft

from pasd_batch.photos.estimates.levels import ROWS_AT_ONCE, as_levels, as_uint8, checked_pixels
from pasd_batch.photos.row_bands import row_bands

_SIDE, _REDUCED = 8, 32


def pixel_hash(pixels: np.ndarray, alpha: np.ndarray | None = None) -> str:
    """SHA-256 (hex) of size and pixels: the same for the same picture in other files, types and bit depths.

    `pixels` (height, width, 3) as `as_levels` takes it, `alpha` float (height, width) in [0, 1]; one that is opaque all
    over is none.
    """
    digest = hashlib.sha256(np.array(checked_pixels(pixels).shape[:2], dtype="<u8").tobytes())
    for rows in row_bands(pixels, ROWS_AT_ONCE):
        # 257 times an 8-bit level is the 16-bit sample of the same brightness.
        digest.update(np.rint(as_levels(pixels[rows]) * 257.0).astype("<u2").tobytes())
    if alpha is not None and float(alpha.min()) < 1.0:
        digest.update(np.rint(np.clip(alpha, 0.0, 1.0) * 65535.0).astype("<u2").tobytes())
    return digest.hexdigest()


def perceptual_hash(pixels: np.ndarray) -> str:
    """64-bit pHash as 16 hex digits: photos that look alike differ in few of the bits.

    N. Krawetz's "Looks Like It" (2011) as the library ImageHash has it: luma reduced to 32 x 32, its 8 x 8 lowest
    frequencies of the DCT-II, a bit for each that is above their median; the first bit is the highest.
    """
    reduced = (
        Image.fromarray(as_uint8(checked_pixels(pixels)))
        .convert("L")
        .resize((_REDUCED, _REDUCED), Image.Resampling.LANCZOS)
    )
    lowest = np.asarray(fft.dctn(np.asarray(reduced, dtype=np.float64), type=2))[:_SIDE, :_SIDE]
    bits = (lowest > np.median(lowest)).ravel()
    return np.packbits(bits).tobytes().hex()
