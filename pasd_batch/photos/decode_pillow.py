"""JPEG, PNG, WebP, BMP, GIF and AVIF by Pillow; those of more than 8 bits, which it reads at 8, by imagecodecs."""

import numpy as np
from PIL.ImageFile import ImageFile

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.animation_canvas import first_picture_place, hide_rest
from pasd_batch.photos.decode_jpeg import decode_deep_jpeg, raster_from_jpeg
from pasd_batch.photos.decoded_file import DecodedFile
from pasd_batch.photos.decoder_errors import as_photo_errors
from pasd_batch.photos.errors import Warn, animation_warning
from pasd_batch.photos.formats import SourceFormat
from pasd_batch.photos.heif_items import clean_aperture
from pasd_batch.photos.jpeg_scans import frame
from pasd_batch.photos.metadata import pixels_only, read_metadata
from pasd_batch.photos.metadata_blocks import ORIENTATION_TAG
from pasd_batch.photos.pillow_image import open_with_pillow, pillow_raster
from pasd_batch.photos.png_pixels import png_of_pixels
from pasd_batch.photos.raster import Raster, raster_from_channels

_AV1_CONFIGURATION, _HIGH_BIT_DEPTH, _TWELVE_BIT = b"av1C", 0x40, 0x20


def decode_with_pillow(data: bytes, kind: SourceFormat, limits: DecodeLimits, warn: Warn) -> DecodedFile:
    """Decode the first picture of any format but TIFF and HEIF."""
    if kind is SourceFormat.JPEG and (header := frame(data)) is not None and (header.bits != 8 or header.is_jpeg_ls):
        return decode_deep_jpeg(data, header, limits, warn)
    # Junk in metadata makes Pillow refuse some files, and metadata is read from the file itself anyhow.
    pixels = png_of_pixels(data, limits, warn) if kind is SourceFormat.PNG else pixels_only(data, kind)
    with open_with_pillow(pixels, kind, limits) as image:
        with as_photo_errors(kind):
            if kind is not SourceFormat.JPEG:
                _tell_animation(image, warn)
                image.load()
            turned = image.getexif().get(ORIENTATION_TAG, 1) if kind is SourceFormat.AVIF else None
        metadata, stated = read_metadata(data, kind, image.info, warn)
        orientation = stated if turned is None else turned  # what AVIF's container says is the last word, as in HEIC
        with as_photo_errors(kind):
            raster = _raster(pixels, image, metadata.icc, limits, warn)
    if kind is SourceFormat.WEBP and (place := first_picture_place(data)) is not None:
        hide_rest(raster, place)
    if kind is SourceFormat.AVIF:
        _crop_to_aperture(raster, data, warn)  # before it is turned, as the container wants it
    return DecodedFile(raster, metadata, orientation)


def _raster(data: bytes, image: ImageFile, icc: bytes | None, limits: DecodeLimits, warn: Warn) -> Raster:
    """The samples, not turned upright, by whichever library reads them at their depth and tells of damage."""
    match image.format:
        case "JPEG" | "MPO":
            return raster_from_jpeg(data, image, icc, limits, warn)
        case SourceFormat.PNG if data[24] == 16:
            return raster_from_png(data)
        case SourceFormat.AVIF if (bits := avif_bits(data)) > 8:
            if getattr(image, "n_frames", 1) == 1:
                return raster_from_avif(data, bits)
            # imagecodecs writes all pictures of an animation where it has room for one.
            warn(f"the photo keeps 8 of its {bits} bits: it is the first picture of an animation")
    return pillow_raster(image, icc, warn)


def _tell_animation(image: ImageFile, warn: Warn) -> None:
    try:
        count = getattr(image, "n_frames", 1)
    except Exception:  # noqa: BLE001 (what follows the first picture costs nothing, whatever is wrong with it)
        return
    if count > 1:
        warn(animation_warning(count))


def _crop_to_aperture(raster: Raster, data: bytes, warn: Warn) -> None:
    """Leave what an AVIF's container says is to be shown; its decoders give all of it, unlike HEIC's."""
    height, width = raster.color.shape[:2]
    part = clean_aperture(data, width, height, warn)
    if part is not None:
        raster.color = raster.color[part]
        raster.alpha = None if raster.alpha is None else raster.alpha[part]


def raster_from_png(data: bytes) -> Raster:
    """A PNG with 16 bits per channel; colour keys become alpha."""
    import imagecodecs

    return raster_from_channels(np.asarray(imagecodecs.png_decode(data)))


def avif_bits(data: bytes) -> int:
    """Bits per channel of an AVIF file (8, 10 or 12), from its first picture's AV1 configuration; 8 if it has none."""
    box = data.find(_AV1_CONFIGURATION)
    flags = data[box + 6] if 0 <= box < len(data) - 6 else 0
    if not flags & _HIGH_BIT_DEPTH:
        return 8
    return 12 if flags & _TWELVE_BIT else 10


def raster_from_avif(data: bytes, bits: int) -> Raster:
    """An AVIF of one picture with more than 8 bits per channel, not turned as its container says."""
    import imagecodecs

    samples = np.asarray(imagecodecs.avif_decode(data, index=0))
    return raster_from_channels(samples, bits=bits if samples.dtype == np.uint16 else 8)
