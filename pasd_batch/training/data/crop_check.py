"""Check of the crops' size against the photos that they are cut from."""

import io
import logging
import statistics
from collections.abc import Iterator

from PIL import Image

from pasd_batch.storage.errors import StorageError
from pasd_batch.training.data.photo_index import PhotoIndex

logger = logging.getLogger(__name__)

_LOOKED_AT = 16
_MOST_ENLARGED = 2.0
"""Enlargement of the median photo above which there is a warning."""


def warn_of_large_crops(index: PhotoIndex, crop_size: int, *, setting: str, max_bytes: int, smallest_side: int) -> None:
    """Warn if crops are far larger than photos, which would be enlarged to them; a few photos' headers are read.

    Args:
        index: the photos.
        crop_size: side of the crops, pixels.
        setting: dotted path of the crops' size.
        max_bytes: larger files are not looked at.
        smallest_side: photos with a shorter side below it are none that crops are cut from.
    """
    sides = sorted(side for side in _shorter_sides(index, max_bytes) if side >= smallest_side)
    if not sides or crop_size <= _MOST_ENLARGED * (middle := statistics.median_low(sides)):
        return
    logger.warning(
        "%s is %d, and the shorter sides of %d photos that were looked at have %d to %d pixels: the median photo is "
        "enlarged %.1f times, which costs time and memory and teaches the model to blur; set %s to %d or less, or give "
        "larger photos",
        setting,
        crop_size,
        len(sides),
        sides[0],
        sides[-1],
        crop_size / middle,
        setting,
        max(8, middle // 8 * 8),
    )


def _shorter_sides(index: PhotoIndex, max_bytes: int) -> Iterator[int]:
    """Shorter sides of photos from all over the list, without those that cannot be read, which are told when used."""
    for row in range(0, len(index), -(-len(index) // _LOOKED_AT)):
        try:
            with Image.open(io.BytesIO(index.fetch(row, max_bytes=max_bytes).data)) as image:
                yield min(image.size)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, StorageError) as error:
            logger.info("%s: size unknown: %s", index.name(row), error)
