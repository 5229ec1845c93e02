"""The place of an animation's first picture on its canvas: in WebP the rest of it is transparent, as viewers show it.

GIF has a colour for it, which Pillow paints; PNG's and AVIF's first pictures cover it.
"""

import numpy as np

from pasd_batch.photos.raster import Raster

Place = tuple[slice, slice]
"""Rows and columns."""


def first_picture_place(data: bytes) -> Place | None:
    """The part of a WebP animation's canvas that its first picture covers; None if it is no animation."""
    at = 12
    while at + 24 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"ANMF":
            places = (data[at + start : at + start + 3] for start in (8, 11, 14, 17))
            x, y, width, height = (int.from_bytes(place, "little") for place in places)
            return slice(2 * y, 2 * y + height + 1), slice(2 * x, 2 * x + width + 1)
        at += 8 + size + size % 2
    return None


def hide_rest(raster: Raster, place: Place) -> None:
    """Make all but that part transparent, if there is more."""
    covered = np.zeros(raster.color.shape[:2], np.float32)
    covered[place] = 1.0 if raster.alpha is None else raster.alpha[place]
    if raster.alpha is not None or covered.min() < 1.0:
        raster.alpha = covered
