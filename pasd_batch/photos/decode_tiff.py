"""TIFF: which page is the photo, and which library reads it."""

import io
from typing import Any, BinaryIO

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.decoded_file import DecodedFile
from pasd_batch.photos.decoder_errors import as_photo_errors
from pasd_batch.photos.errors import UnsupportedPhoto, Warn, warn_of_other_pages
from pasd_batch.photos.formats import SourceFormat
from pasd_batch.photos.limits import check_pixels
from pasd_batch.photos.metadata import read_metadata
from pasd_batch.photos.pillow_image import open_with_pillow, pillow_raster
from pasd_batch.photos.raster import Raster
from pasd_batch.photos.stored_form import form_of_tiff
from pasd_batch.photos.tiff_damage import warn_of_fax_damage, warn_of_missing_strips
from pasd_batch.photos.tiff_pages import find_page, photo_pages
from pasd_batch.photos.tiff_samples import raster_from_tiff_page

_MOST_SAMPLES, _ORIENTATION, _OLD_JPEG = 8, 274, 6


def decode_tiff(data: bytes, limits: DecodeLimits, warn: Warn, number: int | None = None) -> DecodedFile:
    """Decode the first page of a TIFF file that is not a reduced copy of another, or that of a number among such."""
    with as_photo_errors(SourceFormat.TIFF), open_tiff(data) as file:
        index, page = find_page(file, number or 1)
        check_pixels(int(page.imagewidth), int(page.imagelength), limits)
        if page.samplesperpixel > _MOST_SAMPLES:
            raise UnsupportedPhoto(f"{page.samplesperpixel} values a pixel are not a photo's; save it as RGB")
        pages = sum(1 for _ in photo_pages(file))
        warn_of_other_pages(pages, number, "pages", warn)
        if int(page.compression) != _OLD_JPEG:  # whose offsets are not reliable
            warn_of_missing_strips(page, data, limits, warn)
        is_first = number in (None, 1)
        start = None if index == 0 else int(page.offset)
        metadata, orientation = read_metadata(data, SourceFormat.TIFF, {}, warn, page=start, inherits=is_first)
        if (raster := raster_from_tiff_page(page, data, metadata.icc, limits, warn)) is None:
            raster = _raster_by_pillow(data, index, page, metadata.icc, limits, warn)
            if _ORIENTATION in page.tags or index == 0:
                orientation = 1  # Pillow turns TIFF upright as it loads it
        form = form_of_tiff(page, pages)
    return DecodedFile(raster, metadata, form, orientation)


def open_tiff(data: bytes | BinaryIO) -> Any:
    """tifffile's `TiffFile`, which logs nothing: what touches the photo is in its warnings or its error."""
    import tifffile

    tifffile.logger().disabled = True
    return tifffile.TiffFile(io.BytesIO(data) if isinstance(data, bytes) else data)


def _raster_by_pillow(
    data: bytes, index: int | None, page: Any, icc: bytes | None, limits: DecodeLimits, warn: Warn
) -> Raster:
    if index is None:
        raise UnsupportedPhoto(
            "the TIFF file's photo lies in a directory below a reduced copy; save it as its first page"
        )
    with open_with_pillow(data, SourceFormat.TIFF, limits) as image:
        image.seek(index)
        check_pixels(*image.size, limits)
        image.load()
        raster = pillow_raster(image, icc, warn)
    warn_of_fax_damage(page, raster, limits, warn)
    return raster
