"""TIFF: more than 8 bits a channel and BigTIFF by tifffile, the others by Pillow."""

import io
from typing import Any

import numpy as np
from PIL import Image

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.data.decoded_file import DecodedFile
from pasd_batch.data.decoder_errors import as_photo_errors
from pasd_batch.data.photo_errors import CorruptPhoto, TruncatedPhoto, UnsupportedPhoto, Warn
from pasd_batch.data.photo_format import SourceFormat
from pasd_batch.data.photo_limits import check_pixels
from pasd_batch.data.photo_metadata import read_metadata
from pasd_batch.data.pillow_image import open_with_pillow, pillow_raster
from pasd_batch.data.raster import Raster, largest_sample, raster_from_samples

_MOST_SAMPLES, _MOST_PAGES = 8, 64
_DNG_VERSION = 50706
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _SEPARATED = 0, 1, 2, 5
_CAMERA_RAW = (32803, 34892)  # a colour filter array, linear raw
_CHANNELS_USED = 4


def decode_tiff(data: bytes, limits: DecodeLimits, warn: Warn) -> DecodedFile:
    """Decode the first page of a TIFF file that is not a reduced copy of another."""
    import tifffile

    with as_photo_errors(SourceFormat.TIFF), tifffile.TiffFile(io.BytesIO(data)) as file:
        index, page = _main_page(file)
        check_pixels(int(page.imagewidth), int(page.imagelength), limits)
        if page.samplesperpixel > _MOST_SAMPLES:
            raise UnsupportedPhoto(f"{page.samplesperpixel} values a pixel are not a photo's; save it as RGB")
        metadata, orientation = read_metadata(data, SourceFormat.TIFF, {}, warn)
        is_deep, kind = page.bitspersample > 8, int(page.photometric)
        if is_deep and kind == _SEPARATED:
            raster = _raster_from_deep_cmyk(page, len(data), metadata.icc, warn)
        elif (is_deep or (file.is_bigtiff and page.bitspersample == 8)) and kind in (
            _MIN_IS_WHITE,
            _MIN_IS_BLACK,
            _RGB,
        ):
            raster = _raster_from_page(page, len(data))
        else:
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


def _samples(page: Any, file_size: int) -> np.ndarray:
    """The page's samples, (height, width) or (height, width, channels)."""
    ends = [start + size for start, size in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if max(ends, default=0) > file_size:
        raise TruncatedPhoto(f"the TIFF file has {file_size:,} of {max(ends):,} bytes; fetch it again")
    samples = page.asarray()
    if page.axes.startswith("S"):  # planes one after the other
        samples = np.moveaxis(samples, 0, -1)
    if samples.ndim not in (2, 3):
        raise UnsupportedPhoto(f"a TIFF page with axes {page.axes} is not a photo; save it as one flat image")
    return samples


def _raster_from_page(page: Any, file_size: int) -> Raster:
    """A grey or RGB page of 8 bits or more per channel: integers, signed ones, or floats."""
    samples = _samples(page, file_size)
    if samples.ndim == 3:
        samples = samples[..., :_CHANNELS_USED]  # colour and the first further one, which may be transparency
    largest = largest_sample(samples, int(page.sampleformat), int(page.bitspersample))
    extra = tuple(int(kind) for kind in page.extrasamples)
    raster = raster_from_samples(samples, largest, 3 if int(page.photometric) == _RGB else 1, extra)
    raster.bit_depth = 16 if page.bitspersample > 8 else 8
    if int(page.photometric) == _MIN_IS_WHITE:
        np.subtract(1.0, raster.color, out=raster.color)
    return raster


def _raster_from_deep_cmyk(page: Any, file_size: int, icc: bytes | None, warn: Warn) -> Raster:
    """16-bit CMYK at 8 bits, at which LittleCMS converts it; Pillow misreads it where it lies in planes."""
    samples = _samples(page, file_size)
    if samples.dtype != np.uint16 or samples.ndim != 3 or samples.shape[2] < _CHANNELS_USED:
        raise UnsupportedPhoto(f"a CMYK TIFF with samples of type {samples.dtype}; save it with 8 or 16 bits a channel")
    warn("the photo keeps 8 of its 16 bits: it is converted from CMYK")
    inks = np.rint(samples[..., :_CHANNELS_USED] / np.float32(257)).astype(np.uint8)
    return pillow_raster(Image.frombytes("CMYK", (inks.shape[1], inks.shape[0]), inks.tobytes()), icc, warn)
