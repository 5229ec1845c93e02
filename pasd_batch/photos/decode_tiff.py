"""TIFF: which page is the photo, and which library reads it."""

import io
from typing import Any

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.decoded_file import DecodedFile
from pasd_batch.photos.decoder_errors import as_photo_errors
from pasd_batch.photos.errors import CorruptPhoto, UnsupportedPhoto, Warn
from pasd_batch.photos.formats import SourceFormat
from pasd_batch.photos.limits import check_pixels
from pasd_batch.photos.metadata import read_metadata
from pasd_batch.photos.pillow_image import open_with_pillow, pillow_raster
from pasd_batch.photos.raster import Raster
from pasd_batch.photos.tiff_damage import tell_fax_damage, tell_missing_pieces
from pasd_batch.photos.tiff_samples import raster_from_tiff_page

_MOST_SAMPLES, _MOST_PAGES = 8, 64
_REDUCED, _MASK, _LEAST_SHARE = 1, 4, 0.6
_ORIENTATION, _DNG_VERSION, _OLD_JPEG = 274, 50706, 6
_CAMERA_RAW = (32803, 34892)  # a colour filter array, linear raw


def decode_tiff(data: bytes, limits: DecodeLimits, warn: Warn) -> DecodedFile:
    """Decode the first page of a TIFF file that is not a reduced copy of another."""
    with as_photo_errors(SourceFormat.TIFF), open_tiff(data) as file:
        index, page = main_page(file)
        check_pixels(int(page.imagewidth), int(page.imagelength), limits)
        if page.samplesperpixel > _MOST_SAMPLES:
            raise UnsupportedPhoto(f"{page.samplesperpixel} values a pixel are not a photo's; save it as RGB")
        if (others := _further_pages(file, page)) > 0:
            warn(f"{others} further pages of the TIFF file are left out")
        if int(page.compression) != _OLD_JPEG:  # whose places tell nothing
            tell_missing_pieces(page, data, limits, warn)
        start = None if index == 0 else int(page.offset)
        metadata, orientation = read_metadata(data, SourceFormat.TIFF, {}, warn, page=start)
        if (raster := raster_from_tiff_page(page, data, metadata.icc, limits, warn)) is None:
            raster = _raster_by_pillow(data, index, page, metadata.icc, limits, warn)
            if _ORIENTATION in page.tags or index == 0:
                orientation = 1  # Pillow turns TIFF upright as it loads it
    return DecodedFile(raster, metadata, orientation)


def open_tiff(data: bytes) -> Any:
    """tifffile's `TiffFile`, which logs nothing: what touches the photo is in its warnings or its error."""
    import tifffile

    tifffile.logger().disabled = True
    return tifffile.TiffFile(io.BytesIO(data))


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
    tell_fax_damage(page, raster, limits, warn)
    return raster


def main_page(file: Any) -> tuple[int | None, Any]:
    """The first page of full resolution, and its number; None is that of a page in a directory below the first one."""
    pages = _some_pages(file.pages)
    if not pages:
        raise CorruptPhoto("the TIFF file has no page that can be read; fetch it again")
    below = _some_pages(pages[0].pages) if pages[0].pages else []
    if not any(_is_camera_raw(page) for page in (pages[0], *below)):
        numbered = [*enumerate(pages), *((None, page) for page in below)]
        for index, page in numbered:
            if not page.subfiletype & _REDUCED and not _is_camera_raw(page):
                return index, page
    raise UnsupportedPhoto("a camera's raw file, which holds only a preview as a photo; develop it first")


def _further_pages(file: Any, photo: Any) -> int:
    """Number of pages of the first few beside the photo's are neither a mask nor a reduced copy, said to be or not."""
    count = 0
    for index in range(_MOST_PAGES):
        try:
            page = file.pages[index]
        except Exception:  # noqa: BLE001 (the end, or a directory that cannot be read and costs nothing)
            break
        is_small = page.imagewidth < _LEAST_SHARE * photo.imagewidth
        count += not (page.offset == photo.offset or is_small or page.subfiletype & (_REDUCED | _MASK))
    return count


def _some_pages(pages: Any) -> list[Any]:
    """The pages up to the first that is one of full resolution, or none."""
    found: list[Any] = []
    for index in range(_MOST_PAGES):
        try:
            page = pages[index]
        except IndexError:
            break
        found.append(page)
        if not page.subfiletype & _REDUCED:
            break
    return found


def _is_camera_raw(page: Any) -> bool:
    return _DNG_VERSION in page.tags or int(page.photometric) in _CAMERA_RAW
