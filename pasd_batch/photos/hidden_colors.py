"""Alpha bleeding: colours under full transparency are replaced by those of the visible edge.

Hidden colours are black in most files and arbitrary in others; a model's receptive field would spread them into fringes
around cut-out shapes. They are filled as in Gortler et al., "The Lumigraph"
(1996), section 3.4 (pull-push): visible colours are averaged into ever smaller pictures, of which holes are filled.
"""

import numpy as np
from PIL import Image

from pasd_batch.photos.row_bands import row_bands

OPAQUE_ENOUGH = 8 / 255
"""Alpha from which a colour is kept. Below, its weight is alpha / OPAQUE_ENOUGH: it changes the composite by at most
two levels of 255, and is often noise (divided by an alpha of a few levels)."""

FULLY_HIDDEN = 0.5
"""Colour of a photo without any visible pixel."""


def fill_hidden_colors(color: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Fill float32 colours (height, width, channels) in [0, 1] under low `alpha` (height, width), in place.

    Channels that are equal where the photo is visible are equal everywhere in the result.
    """
    if float(alpha.min(initial=1.0)) < OPAQUE_ENOUGH:
        weight = (alpha / np.float32(OPAQUE_ENOUGH))[..., np.newaxis]
        _fill(color, np.clip(weight, 0.0, 1.0, out=weight))
    return color


def _fill(color: np.ndarray, weight: np.ndarray) -> None:
    """Leave `color` where `weight` (height, width, 1) is 1, and make it the surroundings' where it is 0."""
    height, width = weight.shape[:2]
    if float(weight.min()) >= 1.0:
        return
    if height == width == 1:
        color *= weight
        color += FULLY_HIDDEN * (1.0 - weight)
        return
    smaller, smaller_weight = _halved(color, weight)
    _fill(smaller, smaller_weight)
    for rows in row_bands(weight):
        part = weight[rows]
        if float(part.min()) < 1.0:
            color[rows] *= part
            color[rows] += _enlarged(smaller, rows.start, len(part), width) * (1.0 - part)


def _halved(color: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means over squares of 2 x 2 pixels, fewer at an odd edge, and the sums of weights, 1 at most."""
    height, width = (-(-side // 2) for side in weight.shape[:2])
    means = np.empty((height, width, color.shape[2]), dtype=np.float32)
    weights = np.empty((height, width, 1), dtype=np.float32)
    for rows in row_bands(weight):
        part = weight[rows]
        half = slice(rows.start // 2, rows.start // 2 + -(-len(part) // 2))
        weights[half] = _summed(part)
        means[half] = _summed(color[rows] * part) / np.maximum(weights[half], 1e-12)
    return means, np.minimum(weights, 1.0, out=weights)


def _summed(values: np.ndarray) -> np.ndarray:
    rows = np.add.reduceat(values, np.arange(0, values.shape[0], 2), axis=0)
    return np.add.reduceat(rows, np.arange(0, values.shape[1], 2), axis=1)


def _enlarged(values: np.ndarray, start: int, height: int, width: int) -> np.ndarray:
    """Rows from `start`, which is even, of `values` at twice their size, by bilinear interpolation."""
    above = max(0, start // 2 - 1)  # interpolation looks at one row more on either side
    first, last = start // 2 - above, -(-(start + height) // 2) - above
    near = np.ascontiguousarray(values[above : above + last + 1].transpose(2, 0, 1))
    size, box = (2 * values.shape[1], 2 * (last - first)), (0, first, values.shape[1], last)
    channels = [Image.fromarray(channel).resize(size, Image.Resampling.BILINEAR, box) for channel in near]
    return np.stack([np.asarray(channel) for channel in channels], axis=2)[:height, :width]
