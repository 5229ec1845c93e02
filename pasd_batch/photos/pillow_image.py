"""Images that Pillow decodes, at 8 bits a channel, as rasters."""

import io

import numpy as np
from PIL import Image, ImageCms
from PIL.ImageFile import ImageFile

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.color_profile import UnusableProfile, cmyk_to_rgb
from pasd_batch.photos.decoder_errors import photo_error
from pasd_batch.photos.errors import CorruptPhoto, PhotoTooLarge, UnsupportedPhoto, Warn
from pasd_batch.photos.formats import READ, SourceFormat
from pasd_batch.photos.gamut_clipping import sample_of, warn_of_clipped_colors
from pasd_batch.photos.limits import check_pixels
from pasd_batch.photos.raster import Raster, raster_from_channels


def open_with_pillow(data: bytes, kind: SourceFormat, limits: DecodeLimits) -> ImageFile:
    """The image with its header read and its size checked, its pixels not yet decoded."""
    # Pillow has a limit of its own, one for the whole process: it is raised, never lowered, to the one asked for.
    if Image.MAX_IMAGE_PIXELS is not None and limits.max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = limits.max_pixels
    try:
        image = Image.open(io.BytesIO(data), formats=[kind])
    except Image.DecompressionBombError:
        raise PhotoTooLarge(
            f"the photo has more than twice the {limits.max_pixels:,} pixels allowed; raise limits.max_pixels, or "
            "save it smaller"
        ) from None
    except Image.UnidentifiedImageError:
        raise CorruptPhoto(
            f"it begins like {kind} but its header cannot be read, or is of a variant that is not ({READ}); "
            "fetch it again, or save it anew"
        ) from None
    except Exception as error:  # noqa: BLE001 (decoders raise almost anything on hostile files)
        raise photo_error(error, kind) from None
    check_pixels(*image.size, limits)
    return image


def pillow_raster(image: Image.Image, icc: bytes | None, warn: Warn) -> Raster:
    """`raster_from_pillow`, ignoring an unusable profile; warns of clipped colours."""
    sample = sample_of(image) if image.mode in ("CMYK", "LAB") else None
    try:
        raster = raster_from_pillow(image, icc)
    except UnusableProfile as error:
        warn(f"the photo's ICC profile is ignored: {error}")
        icc, raster = None, raster_from_pillow(image, None)
    if sample is not None:
        warn_of_clipped_colors(sample, icc, warn)
    return raster


def raster_from_pillow(image: Image.Image, icc: bytes | None) -> Raster:
    """An 8-bit image of any mode: palette, 1-bit, premultiplied, CMYK and Lab included; colour keys become alpha.

    The image is closed as soon as its samples are copied, so that it takes no memory beside the floats.

    Raises:
        UnsupportedPhoto: a mode that is none of these.
        UnusableProfile: a CMYK photo with a damaged profile, or one of another colour space.
    """
    is_srgb = image.mode in ("CMYK", "LAB")
    samples = np.asarray(_with_plain_channels(image, icc))
    image.close()
    return raster_from_channels(samples, is_srgb=is_srgb)


def _with_plain_channels(image: Image.Image, icc: bytes | None) -> Image.Image:
    keyed = "transparency" in image.info
    match image.mode:
        case "CMYK":
            return cmyk_to_rgb(image, icc)
        case "LAB":
            return _lab_to_rgb(image)
        case "1" | "L" | "LA" | "La":
            mode = "LA" if keyed or image.mode in ("LA", "La") else "L"
        case "P" | "RGB" | "RGBX" | "YCbCr" | "HSV":
            mode = "RGBA" if keyed else "RGB"
        case "PA" | "RGBA" | "RGBa":
            mode = "RGBA"
        case other:
            raise UnsupportedPhoto(f"pixels of mode {other} are not read; save the photo as 8- or 16-bit RGB")
    return image if image.mode == mode else image.convert(mode)


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, *profiles, outputMode="RGB")
    if converted is None:
        raise CorruptPhoto("LittleCMS gave no picture for a Lab photo")
    return converted
