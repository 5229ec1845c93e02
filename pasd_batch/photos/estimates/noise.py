"""Noise of a photo: the standard deviation of high-pass responses in its least textured blocks.

J. Immerkaer, "Fast Noise Variance Estimation" (1996): a filter that is zero on planes and on straight edges along an
axis. Since texture does respond, only the quietest blocks count.
"""

import math

import numpy as np
from jaxtyping import Bool, Float32

from pasd_batch.photos.estimates.halftone import halftone_strength
from pasd_batch.photos.estimates.laplacian import laplacian_response
from pasd_batch.photos.estimates.levels import WHITE_LEVEL
from pasd_batch.photos.estimates.sample import PhotoSample

_BLOCK = 8
"""Side of a block, pixels: fits between lines of text."""

_QUIET = 0.05
"""Quantile of the blocks' estimates that is taken."""

_OF_NOISE = 0.78
"""That quantile over the deviation, measured on photos with noise of 5 to 20 levels: figures of 64 pixels scatter."""

_FEWEST_BLOCKS = 16
_MOST_CLIPPED = 0.05
"""Part of a block's pixels that may be black or white, where noise is cut off."""

_SCREEN, _SEEN_SCREEN = 0.25, 2.5
"""Strength from which a halftone counts, and levels of noise below which it does not matter."""


def noise_sigma(sample: PhotoSample) -> float | None:
    """Standard deviation of a channel's noise in 8-bit levels, the mean over channels.

    None where it cannot be estimated: below some 40 pixels a side, in drawings of black and white and what else is
    clipped all over, and under the screen of a print. Grain, and noise that was smoothed, enlarged or compressed, reads
    lower than it is.
    """
    planes = [plane_noise(channel, sample.visible) for channel in sample.channels]
    known = [sigma for sigma in planes if sigma is not None]
    sigma = float(np.mean(known)) if known else None
    if sigma is not None and sigma > _SEEN_SCREEN and (halftone_strength(sample) or 0.0) > _SCREEN:
        return None
    return sigma


def plane_noise(
    plane: Float32[np.ndarray, "windows height width"], visible: Bool[np.ndarray, "windows height width"] | None
) -> float | None:
    """Noise of one channel or luma; None with fewer than 16 usable blocks of 8 x 8 pixels."""
    if min(plane.shape[1:]) < _BLOCK + 2:
        return None
    figures = math.sqrt(math.pi / 2.0) / 6.0 * _block_means(np.abs(laplacian_response(plane)))
    clipped = (plane < 0.5) | (plane > WHITE_LEVEL - 0.5)
    usable = _block_means(clipped[:, 1:-1, 1:-1]) <= _MOST_CLIPPED
    if visible is not None:
        usable &= _block_means(visible[:, 1:-1, 1:-1]) == 1.0
    chosen = figures[usable]
    return None if len(chosen) < _FEWEST_BLOCKS else float(np.quantile(chosen, _QUIET)) / _OF_NOISE


def _block_means(values: np.ndarray) -> Float32[np.ndarray, "windows rows columns"]:
    """Means over whole blocks; remainders at the right and the bottom are ignored."""
    count, height, width = values.shape
    rows, columns = height // _BLOCK, width // _BLOCK
    blocks = values[:, : rows * _BLOCK, : columns * _BLOCK].reshape(count, rows, _BLOCK, columns, _BLOCK)
    return blocks.mean(axis=(2, 4), dtype=np.float32)
