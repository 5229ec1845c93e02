"""Sizes of all pages of a file, from its headers; only formats without an index need the whole file."""

from typing import BinaryIO

from PIL import Image

from pasd_batch.photos.decode_heif import open_heif, picture_of
from pasd_batch.photos.decode_tiff import open_tiff
from pasd_batch.photos.formats import SourceFormat, source_format
from pasd_batch.photos.png_pixels import png_frame_count
from pasd_batch.photos.tiff_pages import photo_pages

_HEAD_BYTES = 1 << 20
_WEBP_IS_ANIMATED = 0x02
_SEQUENCE_BRAND, _BRANDS_END = b"avis", 256

Sizes = list[tuple[int, int]]
"""Width and height of each page, as stored."""


def page_sizes(file: BinaryIO) -> Sizes:
    """Sizes of the pages of a file that can be sought in, by their numbers; none for a file with a single page.

    Raises:
        PhotoError: it is not of a format that is read.
        OSError, ValueError, ...: whatever readers raise at damaged files.
    """
    head = file.read(_HEAD_BYTES)
    kind = source_format(head)
    if not _may_have_several(head, kind):
        return []
    file.seek(0)
    match kind:
        case SourceFormat.TIFF:
            with open_tiff(file) as tiff:
                sizes = [(int(page.imagewidth), int(page.imagelength)) for _, page in photo_pages(tiff)]
        case SourceFormat.HEIF:
            pictures = open_heif(file.read())
            sizes = [picture_of(pictures, 1 + number).size for number in range(len(pictures))]
        case SourceFormat.PNG:
            with Image.open(file, formats=[kind]) as image:
                sizes = [image.size] * png_frame_count(head)
        case _:
            with Image.open(file, formats=[kind]) as image:
                sizes = [image.size] * getattr(image, "n_frames", 1)
    return sizes if len(sizes) > 1 else []


def _may_have_several(head: bytes, kind: SourceFormat) -> bool:
    match kind:
        case SourceFormat.JPEG | SourceFormat.BMP:
            return False
        case SourceFormat.PNG:
            return png_frame_count(head) > 1
        case SourceFormat.WEBP:
            return head[12:16] == b"VP8X" and bool(head[20] & _WEBP_IS_ANIMATED)
        case SourceFormat.AVIF:
            return _SEQUENCE_BRAND in head[:_BRANDS_END]
        case _:
            return True
