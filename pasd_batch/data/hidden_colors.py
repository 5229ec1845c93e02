"""Colours that transparency hides: replaced by those of the visible edge, so that nothing depends on what they were.

A model sees a neighbourhood, not a pixel: colours under full transparency, which are black in most files and anything
in the others, would come back as rims around what is cut out. They are filled as in Gortler et al., "The Lumigraph"
(1996), section 3.4 (pull-push): visible colours are averaged into ever smaller pictures, of which holes are filled.
"""

import numpy as np
from PIL import Image

OPAQUE_ENOUGH = 8 / 255
"""Opacity from which a colour stands as it is. Below, where it changes what is seen by two levels of 255 at most and
is often rubbish (divided by an opacity of a few levels), it counts the less the more transparent it is."""

FULLY_HIDDEN = 0.5
"""What fills a photo without any visible pixel."""


def without_hidden_colors(color: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Float32 colours (height, width, channels) in [0, 1] with those under low `alpha` (height, width) filled.

    Channels that are equal where the photo is visible are equal everywhere in the result.
    """
    if float(alpha.min(initial=1.0)) >= OPAQUE_ENOUGH:
        return color
    weight = np.clip(alpha / OPAQUE_ENOUGH, 0.0, 1.0).astype(np.float32)[..., np.newaxis]
    return _filled(color, weight)


def _filled(color: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """`color` where `weight` (height, width, 1) is 1, the surroundings' where it is 0."""
    height, width = weight.shape[:2]
    if float(weight.min()) >= 1.0:
        return color
    known = color * weight
    if height == width == 1:
        return known + FULLY_HIDDEN * (1.0 - weight)
    sums, weights = _halved(known), _halved(weight)
    smaller = _filled(sums / np.maximum(weights, 1e-12), np.minimum(weights, 1.0))
    return known + _enlarged(smaller, height=height, width=width) * (1.0 - weight)


def _halved(values: np.ndarray) -> np.ndarray:
    """Sums over squares of 2 x 2 pixels, fewer at an odd edge."""
    rows = np.add.reduceat(values, np.arange(0, values.shape[0], 2), axis=0)
    return np.add.reduceat(rows, np.arange(0, values.shape[1], 2), axis=1)


def _enlarged(values: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """Twice the size, by bilinear interpolation."""
    channels = [
        np.asarray(Image.fromarray(channel).resize((width, height), Image.Resampling.BILINEAR))
        for channel in np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32)
    ]
    return np.stack(channels, axis=2)
