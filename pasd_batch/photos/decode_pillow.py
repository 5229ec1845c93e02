"""JPEG, PNG, WebP, BMP, GIF and AVIF by Pillow; those of more than 8 bits, which it reads at 8, by imagecodecs."""

import numpy as np
from PIL.ImageFile import ImageFile

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.animation_canvas import clear_uncovered
from pasd_batch.photos.decode_jpeg import decode_deep_jpeg, raster_from_jpeg
from pasd_batch.photos.decoded_file import DecodedFile
from pasd_batch.photos.decoder_errors import as_photo_errors
from pasd_batch.photos.errors import Warn, warn_of_other_pages
from pasd_batch.photos.formats import SourceFormat
from pasd_batch.photos.heif_items import clean_aperture
from pasd_batch.photos.jpeg_scans import frame
from pasd_batch.photos.metadata import read_metadata, strip_metadata
from pasd_batch.photos.metadata_blocks import ORIENTATION_TAG
from pasd_batch.photos.pillow_image import open_with_pillow, pillow_raster
from pasd_batch.photos.png_pixels import png_frame_count, strip_ancillary_chunks
from pasd_batch.photos.raster import Raster, raster_from_channels
from pasd_batch.photos.stored_form import form_with_pillow
from pasd_batch.records import StoredForm


def decode_with_pillow(
    data: bytes, kind: SourceFormat, limits: DecodeLimits, warn: Warn, page: int | None = None
) -> DecodedFile:
    """Decode the first picture of any format but TIFF and HEIF, or that of number `page`."""
    number = page or 1
    if kind is SourceFormat.JPEG and (header := frame(data)) is not None and (header.bits != 8 or header.is_jpeg_ls):
        warn_of_other_pages(1, page, "pictures", warn)
        return decode_deep_jpeg(data, header, limits, warn)
    pixels = _stripped(data, kind, number, limits, warn)
    with open_with_pillow(pixels, kind, limits) as image:
        with as_photo_errors(kind):
            pages = _pictures(data, kind, image)
            warn_of_other_pages(pages, page, "pictures of an animation", warn)
            form = form_with_pillow(data, kind, image.mode, pages)
            if kind is not SourceFormat.JPEG:
                if number > 1:
                    image.seek(number - 1)
                image.load()
            turned = image.getexif().get(ORIENTATION_TAG, 1) if kind is SourceFormat.AVIF else None
        metadata, stated = read_metadata(data, kind, image.info, warn)
        orientation = stated if turned is None else turned  # what AVIF's container says is the last word, as in HEIC
        with as_photo_errors(kind):
            raster = _raster(pixels, image, metadata.icc, form, limits, warn)
    if kind is SourceFormat.WEBP:
        clear_uncovered(raster, data, number)
    if kind is SourceFormat.AVIF:
        _crop_to_aperture(raster, data, warn)  # before it is turned, as the container wants it
    return DecodedFile(raster, metadata, form, orientation)


def _stripped(data: bytes, kind: SourceFormat, number: int, limits: DecodeLimits, warn: Warn) -> bytes:
    """The file without metadata, for which Pillow refuses some files; metadata are read from the original."""
    if kind is SourceFormat.PNG:
        first = strip_ancillary_chunks(data, limits, warn)
        return first if number == 1 else data
    return strip_metadata(data, kind)


def _raster(
    data: bytes, image: ImageFile, icc: bytes | None, form: StoredForm, limits: DecodeLimits, warn: Warn
) -> Raster:
    """The samples, not turned upright, by a library that reads their bit depth and reports damage."""
    kind, is_single = image.format, form.pages == 1
    match kind:
        case "JPEG" | "MPO":
            return raster_from_jpeg(data, image, icc, limits, warn)
        case SourceFormat.PNG if form.bit_depth == 16 and (is_single or image.tell() == 0):
            return raster_from_png(data)
        case SourceFormat.AVIF if form.bit_depth > 8 and is_single:
            return raster_from_avif(data, form.bit_depth)
        case SourceFormat.PNG | SourceFormat.AVIF if form.bit_depth > 8:
            # imagecodecs writes all pictures of an AVIF animation where it has room for one, and reads PNG's first.
            warn(f"the photo keeps 8 of its {form.bit_depth} bits: it is a picture of an animation")
    return pillow_raster(image, icc, warn)


def _pictures(data: bytes, kind: SourceFormat, image: ImageFile) -> int:
    """Number of frames of an animation; 1 for a JPEG, whose further images (MPO) are previews or second views."""
    if kind is SourceFormat.JPEG:
        return 1
    if kind is SourceFormat.PNG:
        return png_frame_count(data)
    try:
        return max(1, getattr(image, "n_frames", 1))
    except Exception:  # noqa: BLE001 (what follows the first picture costs nothing, whatever is wrong with it)
        return 1


def _crop_to_aperture(raster: Raster, data: bytes, warn: Warn) -> None:
    """Crop to an AVIF's clean aperture, which its decoders ignore, unlike HEIC's."""
    height, width = raster.color.shape[:2]
    part = clean_aperture(data, width, height, warn)
    if part is not None:
        raster.color = raster.color[part]
        raster.alpha = None if raster.alpha is None else raster.alpha[part]


def raster_from_png(data: bytes) -> Raster:
    """A PNG with 16 bits per channel; colour keys become alpha."""
    import imagecodecs

    return raster_from_channels(np.asarray(imagecodecs.png_decode(data)))


def raster_from_avif(data: bytes, bits: int) -> Raster:
    """An AVIF of one picture with more than 8 bits per channel, not turned as its container says."""
    import imagecodecs

    samples = np.asarray(imagecodecs.avif_decode(data, index=0))
    return raster_from_channels(samples, bits=bits if samples.dtype == np.uint16 else 8)
