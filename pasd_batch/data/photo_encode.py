"""A photo to a file's bytes: in its own colour space and depth where the format has them, marked as restored."""

import io
import logging
from typing import Any

import numpy as np
from PIL import Image

from pasd_batch.config.photos import ImageFormat, OutputSettings
from pasd_batch.data.color_profile import UnusableProfile, color_space, from_srgb
from pasd_batch.data.photo import Photo
from pasd_batch.data.photo_errors import PhotoNotWritable, Warn
from pasd_batch.data.photo_metadata import IPTC_TAG, output_exif, photoshop_segment, without_maker_note
from pasd_batch.data.png_file import png_file
from pasd_batch.data.tiff_file import tiff_file
from pasd_batch.data.xmp import RestorationMarker, marked_xmp

_logger = logging.getLogger(__name__)

_LARGEST_SIDE = {ImageFormat.JPEG: 65535, ImageFormat.WEBP: 16383}
_LARGEST_TIFF = 2**32 - 2**26  # 32-bit offsets, less room for metadata and what does not compress
_JPEG_SEGMENT = 65533
_JPEG_XMP = _JPEG_SEGMENT - 29  # less the segment's name
_NEUTRAL = 2e-3  # half a step of 8 bits: profiles' primaries add up to white only about so well


def encode_photo(
    photo: Photo, *, settings: OutputSettings, marker: RestorationMarker, warn: Warn = _logger.warning
) -> bytes:
    """Write a restored photo. The same photo, settings and marker give the same bytes.

    Pixels are brought back to the source's RGB or grey profile, which is attached; where there was none, or one for
    CMYK, they stay sRGB without a profile. Grey photos are written as grey (as neutral RGB if their profile is for
    RGB, and in WebP, which has no grey). Transparency is kept, but laid over `settings.background` in JPEG. IPTC
    records go into JPEG's Photoshop segment, TIFF's tag, and in PNG and WebP, which have no place of their own, into
    that same tag of the EXIF record. What has no place in the format is left out, and `warn` is told.

    Raises:
        PhotoNotWritable: a pixel is not a number, or the photo is too large for the format.
    """
    _check_writable(photo, settings.format)
    colors, icc = _output_colors(photo, settings, warn)
    samples = _quantised(colors, photo.alpha, deep=_is_deep(photo, settings))
    if settings.format is ImageFormat.TIFF and samples.nbytes > _LARGEST_TIFF:
        raise PhotoNotWritable(f"{samples.nbytes:,} bytes of pixels are more than TIFF can hold; write png")
    exif = output_exif(photo.metadata.exif, software=marker.summary, width=photo.width, height=photo.height)
    xmp = marked_xmp(photo.metadata.xmp, marker, warn)
    match settings.format:
        case ImageFormat.PNG:
            return png_file(
                samples if samples.shape[2] > 1 else samples[..., 0],
                compression=settings.compression,
                software=marker.summary,
                exif=_with_iptc(exif, photo.metadata.iptc).tobytes().removeprefix(b"Exif\0\0"),
                xmp=xmp,
                icc=icc,
            )
        case ImageFormat.TIFF:
            return tiff_file(
                samples, compression=settings.compression, exif=exif, xmp=xmp, iptc=photo.metadata.iptc, icc=icc
            )
        case ImageFormat.JPEG:
            fitted = _fitted_xmp(xmp, marker, warn)
            return _jpeg(samples, settings, warn, exif=exif, xmp=fitted, iptc=photo.metadata.iptc, icc=icc)
        case ImageFormat.WEBP:
            exif = _with_iptc(exif, photo.metadata.iptc)
            return _saved(samples, "WEBP", _webp_options(settings), exif=exif.tobytes(), xmp=xmp, icc=icc)


def _check_writable(photo: Photo, image_format: ImageFormat) -> None:
    if not np.isfinite(photo.pixels).all():
        raise PhotoNotWritable("some pixels are not finite numbers; restore the photo in float32")
    largest = _LARGEST_SIDE.get(image_format)
    if largest is not None and max(photo.width, photo.height) > largest:
        raise PhotoNotWritable(
            f"{photo.width} x {photo.height} pixels is more than the {largest} a side that {image_format.value} "
            "can hold; write png or tiff"
        )


def _is_deep(photo: Photo, settings: OutputSettings) -> bool:
    has_room = settings.format in (ImageFormat.PNG, ImageFormat.TIFF)
    return has_room and settings.keep_16_bit and photo.bit_depth > 8


def _output_colors(photo: Photo, settings: OutputSettings, warn: Warn) -> tuple[np.ndarray, bytes | None]:
    """Colours (height, width, 1 or 3) in the space of the profile to attach, and that profile."""
    icc, pixels = photo.metadata.icc, photo.pixels
    has_grey = settings.format is not ImageFormat.WEBP
    if settings.format is ImageFormat.JPEG and photo.alpha is not None:
        pixels = _laid_over(pixels, photo.alpha, settings.background)
    single = photo.grayscale and bool((pixels == pixels[..., :1]).all())
    as_grey = single and has_grey
    converted = None if icc is None else _converted(pixels, icc, as_grey, warn)
    if converted is None:
        return (pixels[..., :1] if as_grey else pixels), None
    if single and converted.shape[2] == 3 and np.ptp(converted, axis=2).max() < _NEUTRAL:
        converted = np.repeat(converted[..., 1:2], 3, axis=2)
    return converted, icc


def _converted(pixels: np.ndarray, icc: bytes, as_grey: bool, warn: Warn) -> np.ndarray | None:
    """sRGB pixels in the profile's space, with its number of channels; None where they have to stay sRGB."""
    try:
        space = color_space(icc)
        if space == "GRAY":
            converted = from_srgb(pixels, icc) if as_grey else None
            return None if converted is None else converted[..., :1]
        converted = from_srgb(pixels, icc) if space == "RGB" else None
    except UnusableProfile as error:
        warn(f"the photo's ICC profile is left out: {error}")
        return None
    if converted is None:
        warn(f"the photo's ICC profile for {space} has no way back from sRGB and is left out")
    return converted


def _laid_over(pixels: np.ndarray, alpha: np.ndarray, background: tuple[int, int, int]) -> np.ndarray:
    behind = np.array(background, dtype=np.float32) / 255.0
    opacity = alpha[..., np.newaxis]
    return pixels * opacity + behind * (1.0 - opacity)


def _quantised(colors: np.ndarray, alpha: np.ndarray | None, *, deep: bool) -> np.ndarray:
    channels = colors if alpha is None else np.concatenate([colors, alpha[..., np.newaxis]], axis=2)
    kind, largest = (np.uint16, 65535.0) if deep else (np.uint8, 255.0)
    return np.ascontiguousarray(np.rint(np.clip(channels, 0.0, 1.0) * largest).astype(kind))


def _jpeg(
    samples: np.ndarray,
    settings: OutputSettings,
    warn: Warn,
    *,
    exif: Image.Exif,
    xmp: bytes,
    iptc: bytes | None,
    icc: bytes | None,
) -> bytes:
    options: dict[str, Any] = {"quality": settings.quality, "subsampling": settings.subsampling.value}
    record = exif.tobytes()
    if len(record) > _JPEG_SEGMENT:
        warn("the EXIF record is too long for JPEG; the camera maker's block is left out")
        record = without_maker_note(exif).tobytes()
    if len(record) > _JPEG_SEGMENT:
        software = str(exif[305])
        record = output_exif(None, software=software, width=0, height=0).tobytes()
        warn("the EXIF record is too long for JPEG and is left out")
    if iptc is not None and (segment := photoshop_segment(iptc)) is not None:
        options["extra"] = segment
    elif iptc is not None:
        warn(f"the IPTC record of {len(iptc)} bytes is too long for JPEG and is left out")
    # The colours were laid over the background before; what is left of transparency has no place here.
    opaque = samples[..., : 1 if samples.shape[2] < 3 else 3]
    return _saved(opaque, "JPEG", options, exif=record, xmp=xmp, icc=icc)


def _fitted_xmp(xmp: bytes, marker: RestorationMarker, warn: Warn) -> bytes:
    if len(xmp) <= _JPEG_XMP:
        return xmp
    warn(f"the XMP packet of {len(xmp)} bytes is too long for JPEG; only the marker is written")
    return marked_xmp(None, marker, warn)


def _webp_options(settings: OutputSettings) -> dict[str, Any]:
    return {"lossless": settings.lossless, "quality": settings.quality, "method": 4, "exact": True}


def _saved(
    samples: np.ndarray, name: str, options: dict[str, Any], *, exif: bytes, xmp: bytes, icc: bytes | None
) -> bytes:
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    file = io.BytesIO()
    # `None` would make Pillow take the profile from the image, which has none.
    image.save(file, name, exif=exif, xmp=xmp, icc_profile=icc, **options)
    return file.getvalue()


def _with_iptc(exif: Image.Exif, iptc: bytes | None) -> Image.Exif:
    if iptc is not None:
        exif[IPTC_TAG] = iptc
    return exif
