"""Exposure of a photo: quantiles of its brightness."""

from dataclasses import dataclass

import numpy as np

from pasd_batch.photos.estimates.levels import ROWS_AT_ONCE, WHITE_LEVEL, as_levels, checked_pixels
from pasd_batch.photos.row_bands import row_bands

_SHARES = (0.01, 0.05, 0.95, 0.99)
_STEPS = 16384
"""Bins of the brightness histogram."""

_WEIGHTS = np.array([0.241, 0.691, 0.068], dtype=np.float32)


@dataclass(frozen=True)
class Exposure:
    """Quantiles of brightness, from 0 (black) to 1 (white).

    CleanVision takes `quantile_99` as the score of `dark` (below 0.32 it is an issue) and 1 - `quantile_05` as that of
    `light` (below 0.05).
    """

    quantile_01: float
    quantile_05: float
    quantile_95: float
    quantile_99: float

    @property
    def contrast(self) -> float:
        """Range of brightness without the extreme 1 % at both ends, as scikit-image's `is_low_contrast` takes it."""
        return self.quantile_99 - self.quantile_01


def measure_exposure(pixels: np.ndarray) -> Exposure:
    """Exposure of a photo (height, width, 3), sRGB, as `as_levels` takes it.

    Brightness as CleanVision has it (Darel Rex Finley's HSP): sqrt(0.241 R^2 + 0.691 G^2 + 0.068 B^2), to 1/16384.
    """
    counts = np.zeros(_STEPS + 1, dtype=np.int64)
    for rows in row_bands(checked_pixels(pixels), ROWS_AT_ONCE):
        levels = as_levels(pixels[rows]) / np.float32(WHITE_LEVEL)
        brightness = np.sqrt(np.minimum(levels * levels @ _WEIGHTS, 1.0))
        counts += np.bincount(np.rint(brightness * _STEPS).astype(np.int64).ravel(), minlength=_STEPS + 1)
    return Exposure(*(_quantile(counts, share) for share in _SHARES))


def _quantile(counts: np.ndarray, share: float) -> float:
    """As numpy's default: linear between the two values whose places are next to it."""
    cumulated = np.cumsum(counts)
    place = share * (int(cumulated[-1]) - 1)
    lower, upper = np.searchsorted(cumulated, [np.floor(place), np.ceil(place)], side="right")
    return float(lower + (upper - lower) * (place - np.floor(place))) / _STEPS
