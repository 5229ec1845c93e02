"""JPEG blocking in a photo's pixels: steps at the borders of 8x8 blocks, at any phase of the grid."""

import numpy as np
from jaxtyping import Float32

from pasd_batch.photos.estimates.sample import PERIOD, PhotoSample

_STRONGEST_STEP = 20.0
"""Clipping of steps, levels; larger ones are edges of the photo."""

_FEWEST_PERIODS = 8
"""Blocks along an axis below which chance decides."""


def jpeg_strength(sample: PhotoSample) -> float | None:
    """Levels by which steps at one of the 8 phases stand out from those beside them, the mean of both axes.

    The second strongest phase is the measure, so that what repeats with a period of 4, 2 or 1 (enlargements, weaves) is
    no grid. None below 66 pixels a side.
    """
    transposed = sample.luma.swapaxes(1, 2)
    masks = (None, None) if sample.visible is None else (sample.visible, sample.visible.swapaxes(1, 2))
    figures = [_along(luma, mask) for luma, mask in zip((sample.luma, transposed), masks, strict=True)]
    known = [figure for figure in figures if figure is not None]
    return float(np.mean(known)) if len(known) == len(figures) else None


def _along(luma: Float32[np.ndarray, "windows lines length"], visible: np.ndarray | None) -> float | None:
    """Excess of the strongest phase along lines."""
    if luma.shape[2] < _FEWEST_PERIODS * PERIOD + 2:
        return None
    steps = np.minimum(np.abs(np.diff(luma, axis=2)), _STRONGEST_STEP)
    excess = steps[..., 1:-1] - 0.5 * (steps[..., :-2] + steps[..., 2:])
    if visible is None:
        sums, counts = excess.sum(axis=(0, 1), dtype=np.float64), np.full(excess.shape[2], float(excess[..., 0].size))
    else:
        counted = visible[..., :-3] & visible[..., 1:-2] & visible[..., 2:-1] & visible[..., 3:]
        sums, counts = (excess * counted).sum(axis=(0, 1), dtype=np.float64), counted.sum(axis=(0, 1), dtype=np.float64)
    phases = np.arange(excess.shape[2]) % PERIOD
    totals, numbers = np.bincount(phases, sums, PERIOD), np.bincount(phases, counts, PERIOD)
    if numbers.min() < _FEWEST_PERIODS * PERIOD:
        return None
    strongest = np.sort(totals / numbers)
    return float(strongest[-1] - strongest[-2])
