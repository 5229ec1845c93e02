"""What the reader of a format gives: samples as stored, and what the file says about them."""

from dataclasses import dataclass
from typing import Any

from pasd_batch.data.photo import PhotoMetadata
from pasd_batch.data.raster import Raster


@dataclass(frozen=True, eq=False)
class DecodedFile:
    """A file's first picture, neither turned upright nor in sRGB yet.

    Attributes:
        raster: the samples.
        metadata: what the file carries besides pixels.
        orientation: EXIF's 1 to 8, still to be applied to `raster`; 1 if the decoder has done it.
    """

    raster: Raster
    metadata: PhotoMetadata
    orientation: Any


def bytes_or_none(value: Any) -> bytes | None:
    """A value that Pillow gives as bytes or text, as bytes; None if it is neither, or empty."""
    if isinstance(value, str):
        value = value.encode("utf-8")
    return value if isinstance(value, bytes) and value else None
