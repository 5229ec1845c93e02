"""Transparency of the part of an animated WebP's canvas that no frame covers, as viewers show it.

GIF has a background colour for it, which Pillow paints; the first frames of PNG and AVIF cover the canvas.
"""

import numpy as np

from pasd_batch.photos.raster import Raster

_IS_CLEARED = 0x01  # when its time is over: ANMF's disposal method (RFC 9649, section 2.7.1.1)


def clear_uncovered(raster: Raster, data: bytes, number: int) -> None:
    """Make transparent what no frame up to `number` covers; a file without animation is unchanged."""
    covered = _covered(data, number, raster.color.shape[:2])
    if covered is None or covered.all():
        return
    raster.alpha = covered.astype(np.float32) if raster.alpha is None else raster.alpha * covered


def _covered(data: bytes, number: int, shape: tuple[int, ...]) -> np.ndarray | None:
    """Mask (height, width) of a WebP animation's canvas that frames up to `number` cover; None without animation."""
    covered, cleared, at, count = np.zeros(shape, bool), None, 12, 0
    while at + 24 <= len(data) and count < number:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"ANMF":
            if cleared is not None:
                covered[cleared] = False
            places = (data[at + start : at + start + 3] for start in (8, 11, 14, 17))
            x, y, width, height = (int.from_bytes(place, "little") for place in places)
            place = slice(2 * y, 2 * y + height + 1), slice(2 * x, 2 * x + width + 1)
            covered[place] = True
            cleared = place if data[at + 23] & _IS_CLEARED else None
            count += 1
        at += 8 + size + size % 2
    return covered if count else None
