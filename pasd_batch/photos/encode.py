"""Encoding of a photo: in its own colour space and bit depth if the format has them, marked as restored."""

import io
import logging
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from PIL import Image

from pasd_batch.config.photos import ImageFormat, OutputSettings
from pasd_batch.photos.errors import PhotoNotWritable, Warn
from pasd_batch.photos.exif_resolution import with_own_resolution, with_resolution
from pasd_batch.photos.jpeg_file import jpeg_file
from pasd_batch.photos.jpeg_segments import LARGEST_ICC, is_jpeg_comment
from pasd_batch.photos.metadata import output_exif, with_iptc
from pasd_batch.photos.output_samples import output_samples
from pasd_batch.photos.photo import Photo, PhotoMetadata
from pasd_batch.photos.pixel_metadata import PixelScale, scale_exif
from pasd_batch.photos.png_file import png_file
from pasd_batch.photos.resolution import LengthUnit, Resolution, scaled, turned
from pasd_batch.photos.row_bands import row_bands
from pasd_batch.photos.texts import SOFTWARE, Text
from pasd_batch.photos.tiff_directory import TiffDirectories
from pasd_batch.photos.tiff_file import tiff_file
from pasd_batch.photos.xmp import RestorationMarker, marked_xmp

_logger = logging.getLogger(__name__)

_LARGEST_SIDE = {ImageFormat.JPEG: 65535, ImageFormat.WEBP: 16383}
_LARGEST_TIFF = 2**32 - 2**26  # 32-bit offsets, less room for metadata and what does not compress
_UNKNOWN_RESOLUTION = Resolution(Fraction(1), Fraction(1), LengthUnit.NONE)  # TIFF demands one


def encode_photo(
    photo: Photo, *, settings: OutputSettings, marker: RestorationMarker, warn: Warn = _logger.warning
) -> bytes:
    """Write a restored photo. The same photo, settings and marker give the same bytes.

    Pixels are converted back to the source's RGB or grey profile, which is attached, with the out-of-gamut residual
    added; without such a profile they stay sRGB. Grey photos are written as grey (as neutral
    RGB if their profile is for RGB, and in WebP, which has no grey). Transparency is kept, but laid over
    `settings.background` in JPEG; where it hides colours, those that the photo has there (of the visible edge, as
    restored) are written.
    Metadata goes where the format's readers look for it (docs/results.md has the table); what has no place in the
    format is left out, with a warning.

    Raises:
        PhotoNotWritable: a pixel is not a number, or the photo is too large for the format.
    """
    _check_writable(photo, settings.format)
    photo = _with_profile_that_fits(photo, settings.format, warn)
    samples, icc = output_samples(photo, settings, warn)
    if settings.format is ImageFormat.TIFF and samples.nbytes > _LARGEST_TIFF:
        raise PhotoNotWritable(f"{samples.nbytes:,} bytes of pixels are more than TIFF can hold; write png")
    return _file(samples, _attachments(photo, icc, settings.format, marker, warn), settings, warn)


@dataclass(frozen=True)
class _Attachments:
    """Profile and metadata as they are written beside the pixels."""

    software: str
    exif: TiffDirectories
    xmp: bytes
    iptc: bytes | None
    icc: bytes | None
    resolution: Resolution | None
    texts: list[Text]


def _attachments(
    photo: Photo, icc: bytes | None, image_format: ImageFormat, marker: RestorationMarker, warn: Warn
) -> _Attachments:
    exif = output_exif(
        photo.metadata, software=marker.summary, width=photo.width, height=photo.height, is_srgb=icc is None
    )
    scale = _pixel_scale(photo)
    scale_exif(exif, scale, warn)
    resolution = _resolution(photo)
    exif = with_own_resolution(exif, resolution)
    texts, others = _texts(photo.metadata, image_format)
    xmp = marked_xmp(photo.metadata.xmp, marker, warn, texts=others, scale=scale)
    return _Attachments(marker.summary, exif, xmp, photo.metadata.iptc, icc, resolution, texts)


def _file(samples: np.ndarray, beside: _Attachments, settings: OutputSettings, warn: Warn) -> bytes:
    exif, xmp, iptc, icc, resolution = beside.exif, beside.xmp, beside.iptc, beside.icc, beside.resolution
    match settings.format:
        case ImageFormat.PNG:
            return png_file(
                samples if samples.shape[2] > 1 else samples[..., 0],
                compression=settings.compression,
                software=beside.software,
                exif=exif.to_bytes(),
                xmp=xmp,
                iptc=iptc,
                icc=icc,
                resolution=resolution,
                texts=beside.texts,
                warn=warn,
            )
        case ImageFormat.TIFF:
            exif = with_resolution(exif, resolution or _UNKNOWN_RESOLUTION)
            return tiff_file(samples, compression=settings.compression, exif=exif, xmp=xmp, iptc=iptc, icc=icc)
        case ImageFormat.JPEG:
            return jpeg_file(
                samples,
                quality=settings.quality,
                subsampling=settings.subsampling,
                exif=with_resolution(exif, resolution),
                xmp=xmp,
                iptc=iptc,
                icc=icc,
                resolution=resolution,
                comments=beside.texts,
                warn=warn,
            )
        case ImageFormat.WEBP:
            record = with_iptc(with_resolution(exif, resolution), iptc).to_bytes()
            return _webp(samples, settings, exif=record, xmp=xmp, icc=icc)


def _with_profile_that_fits(photo: Photo, image_format: ImageFormat, warn: Warn) -> Photo:
    if image_format is not ImageFormat.JPEG or len(photo.metadata.icc or b"") <= LARGEST_ICC:
        return photo
    warn(f"the photo's ICC profile is left out: it has more than the {LARGEST_ICC:,} bytes that JPEG can hold")
    return replace(photo, metadata=replace(photo.metadata, icc=None))


def _resolution(photo: Photo) -> Resolution | None:
    """The source's resolution, grown with the photo."""
    given, size = photo.metadata.resolution, (photo.width, photo.height)
    if given is None:
        return None
    return scaled(turned(given, photo.metadata.orientation), photo.metadata.size or size, size)


def _pixel_scale(photo: Photo) -> PixelScale:
    width, height = photo.metadata.size or (photo.width, photo.height)
    return PixelScale(photo.width / width, photo.height / height, photo.metadata.is_turned)


def _texts(metadata: PhotoMetadata, image_format: ImageFormat) -> tuple[list[Text], list[Text]]:
    """Texts that the format can hold, and the others, which are written into XMP."""
    places = {ImageFormat.PNG: lambda text: text.keyword != SOFTWARE, ImageFormat.JPEG: is_jpeg_comment}
    has_place = places.get(image_format, lambda _: False)
    return [text for text in metadata.texts if has_place(text)], [
        text for text in metadata.texts if not has_place(text)
    ]


def _check_writable(photo: Photo, image_format: ImageFormat) -> None:
    if not all(np.isfinite(photo.pixels[rows]).all() for rows in row_bands(photo.pixels)):
        raise PhotoNotWritable("some pixels are not finite numbers; restore the photo in float32")
    largest = _LARGEST_SIDE.get(image_format)
    if largest is not None and max(photo.width, photo.height) > largest:
        raise PhotoNotWritable(
            f"{photo.width} x {photo.height} pixels is more than the {largest} a side that {image_format.value} "
            "can hold; write png or tiff"
        )


def _webp(samples: np.ndarray, settings: OutputSettings, *, exif: bytes, xmp: bytes, icc: bytes | None) -> bytes:
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    file = io.BytesIO()
    image.save(
        file,
        "WEBP",
        lossless=settings.lossless,
        quality=settings.quality,
        method=4,
        exact=True,
        exif=exif,
        xmp=xmp,
        icc_profile=icc,  # `None` would make Pillow take the profile from the image, which has none
    )
    return file.getvalue()
