"""HEIC and other HEIF photos, by pillow-heif, which turns them upright itself."""

import io
from typing import Any

import numpy as np

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.decoded_file import DecodedFile
from pasd_batch.photos.decoder_errors import as_photo_errors
from pasd_batch.photos.errors import NoSuchPage, UnsupportedPhoto, Warn, warn_of_other_pages
from pasd_batch.photos.formats import SourceFormat
from pasd_batch.photos.heif_items import warn_of_sequence
from pasd_batch.photos.limits import check_pixels
from pasd_batch.photos.metadata import read_metadata
from pasd_batch.photos.raster import Raster, raster_from_channels
from pasd_batch.photos.stored_form import form_of_heif


def decode_heif(data: bytes, limits: DecodeLimits, warn: Warn, page: int | None = None) -> DecodedFile:
    """Decode the main picture of a HEIF file, or that of number `page`; all have the main one's EXIF and XMP."""
    with as_photo_errors(SourceFormat.HEIF):
        file = open_heif(data)
        warn_of_sequence(data, warn)
        warn_of_other_pages(len(file), page, "pictures", warn)
        picture = picture_of(file, page)
        width, height = picture.size
        form = form_of_heif(picture, len(file))
    check_pixels(width, height, limits)
    with as_photo_errors(SourceFormat.HEIF):
        raster = raster_from_heif(picture)
    metadata, _ = read_metadata(data, SourceFormat.HEIF, picture.info, warn)
    return DecodedFile(raster, metadata, form, 1)


def picture_of(file: Any, page: int | None) -> Any:
    """The picture of that number, from 1; the primary image is number 1.

    Raises:
        NoSuchPage: there are fewer.
    """
    others = [number for number in range(len(file)) if number != file.primary_index]
    numbers = [file.primary_index, *others]
    if page is not None and page > len(numbers):
        raise NoSuchPage.of(page, len(numbers))
    return file[numbers[(page or 1) - 1]]


def raster_from_heif(file: Any) -> Raster:
    """A photo opened with `open_heif`, with 16 bits if it has more than 8; the format turns it upright itself."""
    return raster_from_channels(np.asarray(file))


def open_heif(data: bytes) -> Any:
    """pillow-heif's `HeifFile`, whose pixels are not decoded yet.

    Raises:
        UnsupportedPhoto: pillow-heif is not installed.
    """
    try:
        import pillow_heif
    except ImportError:
        raise UnsupportedPhoto(
            "HEIC needs another package: pip install 'pasd-batch[heif]', or convert the photo to JPEG"
        ) from None
    return pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
