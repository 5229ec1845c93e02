"""Bands of rows, by which arrays of pixels are converted, so that temporary copies stay small."""

from collections.abc import Iterator

import numpy as np

BAND_ROWS = 256


def row_bands(pixels: np.ndarray, rows: int = BAND_ROWS) -> Iterator[slice]:
    """Slices of up to `rows` rows that together cover an array (height, ...), from the top."""
    return (slice(start, start + rows) for start in range(0, len(pixels), rows))
