"""HEIC and other HEIF photos, by pillow-heif, which turns them upright itself."""

import io
from typing import Any

import numpy as np

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.decoded_file import DecodedFile
from pasd_batch.photos.decoder_errors import as_photo_errors
from pasd_batch.photos.errors import UnsupportedPhoto, Warn
from pasd_batch.photos.formats import SourceFormat
from pasd_batch.photos.limits import check_pixels
from pasd_batch.photos.metadata import read_metadata
from pasd_batch.photos.raster import Raster, raster_from_channels


def decode_heif(data: bytes, limits: DecodeLimits, warn: Warn) -> DecodedFile:
    """Decode the main picture of a HEIF file."""
    with as_photo_errors(SourceFormat.HEIF):
        file = open_heif(data)
        width, height = file.size
    check_pixels(width, height, limits)
    with as_photo_errors(SourceFormat.HEIF):
        raster = raster_from_heif(file)
    if len(file) > 1:
        warn(f"{len(file) - 1} further pictures of the HEIF file are left out")
    metadata, _ = read_metadata(data, SourceFormat.HEIF, file.info, warn)
    return DecodedFile(raster, metadata, 1)


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
