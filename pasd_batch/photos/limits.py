"""Limits of a photo, checked before its pixels are decoded."""

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.errors import CorruptPhoto, PhotoTooLarge


def check_file_size(nbytes: int, limits: DecodeLimits) -> None:
    """Check the size of the file itself.

    Raises:
        PhotoTooLarge: more than the limit.
    """
    if nbytes > limits.max_bytes:
        raise PhotoTooLarge(
            f"the file has {nbytes:,} bytes, more than the limit of {limits.max_bytes:,}; "
            "raise limits.max_bytes, or save it smaller"
        )


def check_pixels(width: int, height: int, limits: DecodeLimits) -> None:
    """Check the size in a file's header.

    Raises:
        CorruptPhoto: no pixels.
        PhotoTooLarge: more than the limit.
    """
    if width < 1 or height < 1:
        raise CorruptPhoto(f"its header says {width} x {height} pixels; fetch it again")
    if width * height > limits.max_pixels:
        raise PhotoTooLarge(
            f"{width} x {height} = {width * height:,} pixels is more than the limit of {limits.max_pixels:,}; "
            "raise limits.max_pixels if the photo is meant to be that large"
        )
