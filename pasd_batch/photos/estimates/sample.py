"""Sample of a photo for estimates: all of it, or windows spread over a large one, so that time is bounded."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from pasd_batch.luma import BT601
from pasd_batch.photos.estimates.borders import find_borders
from pasd_batch.photos.estimates.levels import as_levels
from pasd_batch.photos.hidden_colors import OPAQUE_ENOUGH

PERIOD = 8
"""Side of JPEG's blocks, pixels; windows are multiples of it apart, so that they share the blocks' phase."""

MOST_PIXELS = 640_000
"""Largest photo that is sampled as a whole."""

_WINDOW = 160


@dataclass(frozen=True, eq=False)
class PhotoSample:
    """Windows of a photo, all of one size; without the plain borders of a frame or a scan.

    Attributes:
        channels: in 8-bit levels, 0 to 255; one channel if all are equal in these windows, else R, G and B.
        luma: of the same windows, in the same levels.
        visible: True where transparency hides nothing; None if it hides nothing anywhere.
    """

    channels: Float32[np.ndarray, "channels windows height width"]
    luma: Float32[np.ndarray, "windows height width"]
    visible: Bool[np.ndarray, "windows height width"] | None


def sample_photo(pixels: np.ndarray, alpha: np.ndarray | None = None) -> PhotoSample:
    """Windows of a photo (height, width, 3), sRGB: uint8, uint16, or floats in [0, 1].

    `alpha` is float (height, width) in [0, 1]; colours that it hides do not count.
    """
    borders = find_borders(pixels)
    height, width = pixels.shape[:2]
    places = _windows((borders.top, height - borders.bottom), (borders.left, width - borders.right))
    windows = np.stack([as_levels(pixels[place]) for place in places])
    visible = None
    if alpha is not None:
        shown = np.stack([alpha[place] >= OPAQUE_ENOUGH for place in places])
        visible = None if shown.all() else shown
    if (windows[..., 1:] == windows[..., :1]).all():
        grey = np.ascontiguousarray(windows[..., 0])
        return PhotoSample(grey[np.newaxis], grey, visible)
    luma = windows @ np.array(BT601, dtype=np.float32)
    return PhotoSample(np.ascontiguousarray(np.moveaxis(windows, -1, 0)), luma, visible)


def _windows(rows: tuple[int, int], columns: tuple[int, int]) -> list[tuple[slice, slice]]:
    """The area between these rows and columns, or windows spread evenly over it."""
    height, width = rows[1] - rows[0], columns[1] - columns[0]
    if height * width <= MOST_PIXELS:
        down, across, tall, wide = 1, 1, height, width
    else:
        tall, wide = min(_WINDOW, height), min(_WINDOW, width)
        count = MOST_PIXELS // (tall * wide)
        across = min(max(1, round(math.sqrt(count * width / height))), count, width // wide)
        down = min(max(1, count // across), height // tall)
    return [
        (slice(top, top + tall), slice(left, left + wide))
        for top in _starts(rows, tall, down)
        for left in _starts(columns, wide, across)
    ]


def _starts(bounds: tuple[int, int], length: int, count: int) -> list[int]:
    """Beginnings of `count` windows, multiples of the period apart."""
    return [
        bounds[0] + int(start) // PERIOD * PERIOD for start in np.linspace(0, bounds[1] - bounds[0] - length, count)
    ]
