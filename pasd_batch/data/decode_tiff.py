"""TIFF: grey and RGB with more than 8 bits a channel by tifffile, the others by Pillow."""

import io

import numpy as np
from PIL import Image

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.data.decoded_file import DecodedFile
from pasd_batch.data.decoder_errors import as_photo_errors
from pasd_batch.data.photo_errors import TruncatedPhoto, UnsupportedPhoto, Warn
from pasd_batch.data.photo_format import SourceFormat
from pasd_batch.data.photo_limits import check_pixels
from pasd_batch.data.photo_metadata import read_metadata
from pasd_batch.data.pillow_image import open_with_pillow, pillow_raster
from pasd_batch.data.raster import Raster, largest_sample, raster_from_samples

_WIDTH, _HEIGHT, _BITS_PER_SAMPLE, _PHOTOMETRIC, _NEW_SUBFILE_TYPE = 256, 257, 258, 262, 254
_SAMPLES_PER_PIXEL = 277
_MOST_SAMPLES = 8
_DNG_VERSION = 50706
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB = 0, 1, 2
_CHANNELS_USED = 4


def decode_tiff(data: bytes, limits: DecodeLimits, warn: Warn) -> DecodedFile:
    """Decode the first page of a TIFF file."""
    with as_photo_errors(SourceFormat.TIFF):
        tags = _tiff_tags(data)
        size = int(tags[_WIDTH]), int(tags[_HEIGHT])
        is_raw = _DNG_VERSION in tags or bool(tags.get(_NEW_SUBFILE_TYPE, 0) & 1)
        bits, samples = tags.get(_BITS_PER_SAMPLE, 1), int(tags.get(_SAMPLES_PER_PIXEL, 1))
        is_deep = (max(bits) if isinstance(bits, tuple) else bits) > 8
    if is_raw:
        raise UnsupportedPhoto("a camera's raw file, which holds only a preview as a photo; develop it first")
    check_pixels(*size, limits)
    if samples > _MOST_SAMPLES:
        raise UnsupportedPhoto(f"{samples} values a pixel are not a photo's; save it as RGB")
    metadata, orientation = read_metadata(data, SourceFormat.TIFF, {}, warn)
    if is_deep and tags.get(_PHOTOMETRIC) in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB):
        with as_photo_errors(SourceFormat.TIFF):
            raster = raster_from_tiff(data)
    else:
        with open_with_pillow(data, SourceFormat.TIFF, limits) as image, as_photo_errors(SourceFormat.TIFF):
            image.load()
            raster = pillow_raster(image, metadata.icc, warn)
        orientation = 1  # Pillow turns TIFF upright as it loads it
    return DecodedFile(raster, metadata, orientation)


def _tiff_tags(data: bytes) -> Image.Exif:
    """The first directory, which has the structure of an EXIF record and is read as one."""
    if b"+" in data[2:4]:  # BigTIFF, whose longer header only Pillow's own reader takes
        with Image.open(io.BytesIO(data), formats=[SourceFormat.TIFF]) as image:
            return image.getexif()
    tags = Image.Exif()
    tags.load(data)
    return tags


def raster_from_tiff(data: bytes) -> Raster:
    """The first page of a grey or RGB TIFF with more than 8 bits per channel: integers, signed ones, or floats."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        ends = [start + size for start, size in zip(page.dataoffsets, page.databytecounts, strict=False)]
        if max(ends, default=0) > len(data):
            raise TruncatedPhoto(f"the TIFF file has {len(data):,} of {max(ends):,} bytes; fetch it again")
        samples = page.asarray()
        if page.axes.startswith("S"):  # planes one after the other
            samples = np.moveaxis(samples, 0, -1)
        if samples.ndim not in (2, 3):
            raise UnsupportedPhoto(f"a TIFF page with axes {page.axes} is not a photo; save it as one flat image")
        if samples.ndim == 3:
            samples = samples[..., :_CHANNELS_USED]  # colour and the first further one, which may be transparency
        largest = largest_sample(samples, int(page.sampleformat), int(page.bitspersample))
        photometric = int(page.photometric)
        extra = tuple(int(kind) for kind in page.extrasamples)
    if photometric not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB):
        raise UnsupportedPhoto(f"16-bit TIFF of photometric {photometric} is not read; save it as RGB")
    raster = raster_from_samples(samples, largest, 3 if photometric == _RGB else 1, extra)
    if photometric == _MIN_IS_WHITE:
        np.subtract(1.0, raster.color, out=raster.color)
    return raster
