"""TIFF: which page is the photo, and which library reads it."""

import io
from typing import Any

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.data.decoded_file import DecodedFile
from pasd_batch.data.decoder_errors import as_photo_errors
from pasd_batch.data.photo_errors import CorruptPhoto, UnsupportedPhoto, Warn
from pasd_batch.data.photo_format import SourceFormat
from pasd_batch.data.photo_limits import check_pixels
from pasd_batch.data.photo_metadata import read_metadata
from pasd_batch.data.pillow_image import open_with_pillow, pillow_raster
from pasd_batch.data.tiff_samples import raster_from_tiff_page

_MOST_SAMPLES, _MOST_PAGES = 8, 64
_DNG_VERSION = 50706
_CAMERA_RAW = (32803, 34892)  # a colour filter array, linear raw


def decode_tiff(data: bytes, limits: DecodeLimits, warn: Warn) -> DecodedFile:
    """Decode the first page of a TIFF file that is not a reduced copy of another."""
    import tifffile

    with as_photo_errors(SourceFormat.TIFF), tifffile.TiffFile(io.BytesIO(data)) as file:
        index, page = _main_page(file)
        check_pixels(int(page.imagewidth), int(page.imagelength), limits)
        if page.samplesperpixel > _MOST_SAMPLES:
            raise UnsupportedPhoto(f"{page.samplesperpixel} values a pixel are not a photo's; save it as RGB")
        metadata, orientation = read_metadata(data, SourceFormat.TIFF, {}, warn)
        if (raster := raster_from_tiff_page(page, len(data), metadata.icc, limits, warn)) is None:
            with open_with_pillow(data, SourceFormat.TIFF, limits) as image:
                image.seek(index)
                check_pixels(*image.size, limits)
                image.load()
                raster = pillow_raster(image, metadata.icc, warn)
            orientation = 1  # Pillow turns TIFF upright as it loads it
    return DecodedFile(raster, metadata, orientation)


def _main_page(file: Any) -> tuple[int, Any]:
    """The first page of full resolution, and its number."""
    for index in range(_MOST_PAGES):
        try:
            page = file.pages[index]
        except IndexError:
            if index == 0:
                raise CorruptPhoto("the TIFF file has no page that can be read; fetch it again") from None
            break
        if _DNG_VERSION in page.tags or int(page.photometric) in _CAMERA_RAW:
            break
        if not page.subfiletype & 1:
            return index, page
    raise UnsupportedPhoto("a camera's raw file, which holds only a preview as a photo; develop it first")
