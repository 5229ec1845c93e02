"""A file's bytes to a photo: the right way up, in sRGB, with what it carries kept for the output."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.data.color_profile import UnusableProfile, to_srgb
from pasd_batch.data.photo import Photo, PhotoMetadata
from pasd_batch.data.photo_errors import (
    CorruptPhoto,
    EmptyPhoto,
    PhotoError,
    PhotoTooLarge,
    TruncatedPhoto,
    UnsupportedPhoto,
    Warn,
)
from pasd_batch.data.photo_format import READ, SourceFormat, source_format
from pasd_batch.data.photo_metadata import (
    ICC_TAG,
    IPTC_TAG,
    XMP_TAG,
    clean_exif,
    iptc_from_exif,
    iptc_from_info,
    iptc_from_tiff,
)
from pasd_batch.data.raster import (
    Raster,
    deep_raster,
    open_heif,
    raster_from_heif,
    raster_from_pillow,
    raster_from_tiff,
)

_ORIENTATION = int(ExifTags.Base.Orientation)
_WIDTH, _HEIGHT, _BITS_PER_SAMPLE, _PHOTOMETRIC, _NEW_SUBFILE_TYPE = 256, 257, 258, 262, 254
_SAMPLES_PER_PIXEL = 277
_MOST_SAMPLES = 8
_DNG_VERSION = 50706
_GREY_OR_RGB = (0, 1, 2)

# EXIF orientation (1-8) to what turns an array (height, width, channels) upright.
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: np.swapaxes(pixels, 0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.swapaxes(pixels, 0, 1)[::-1, ::-1],
    8: lambda pixels: np.rot90(pixels),
}


def decode_photo(data: bytes, *, limits: DecodeLimits | None = None) -> Photo:
    """Decode a photo; of an animation or a document of several pages, the first picture.

    A profile is applied (without one, pixels are taken as sRGB); an unusable one is ignored. Floats
    and integers are scaled to [0, 1] as `raster` says. What is ignored, left out or repaired is in `Photo.warnings`.

    Raises:
        EmptyPhoto, UnsupportedPhoto, TruncatedPhoto, CorruptPhoto: as their names say.
        PhotoTooLarge: over a limit; found from the header, before pixels are decoded.
    """
    limits = limits or DecodeLimits()
    if not data:
        raise EmptyPhoto("the file is empty; fetch it again from its source")
    if len(data) > limits.max_bytes:
        raise PhotoTooLarge(
            f"the file has {len(data):,} bytes, more than the limit of {limits.max_bytes:,}; "
            "raise max_bytes, or save it smaller"
        )
    kind = source_format(data)
    warnings: list[str] = []
    match kind:
        case SourceFormat.HEIF:
            photo = _decode_heif(data, limits, warnings.append)
        case SourceFormat.TIFF:
            photo = _decode_tiff(data, limits, warnings.append)
        case _:
            photo = _decode_with_pillow(data, kind, limits, warnings.append)
    return replace(photo, warnings=tuple(warnings))


def _decode_with_pillow(data: bytes, kind: SourceFormat, limits: DecodeLimits, warn: Warn) -> Photo:
    with _open_image(data, kind, limits) as image:
        with _as_photo_errors(kind):
            image.load()
            exif = image.getexif()
        info: dict[Any, Any] = image.info
        orientation = exif.get(_ORIENTATION, 1)
        metadata = PhotoMetadata(
            source_format=kind,
            xmp=_bytes_or_none(info.get("xmp")),
            iptc=iptc_from_info(info, warn) or iptc_from_exif(exif),
            icc=_bytes_or_none(info.get("icc_profile")),
            exif=clean_exif(exif, warn),
        )
        with _as_photo_errors(kind):
            frames = getattr(image, "n_frames", 1)
            raster = deep_raster(data, kind, warn, frames=frames) or _pillow_raster(image, metadata.icc, warn)
    return _photo(raster, metadata, orientation, warn)


def _decode_tiff(data: bytes, limits: DecodeLimits, warn: Warn) -> Photo:
    with _as_photo_errors(SourceFormat.TIFF):
        tags = _tiff_tags(data)
        size = int(tags[_WIDTH]), int(tags[_HEIGHT])
        is_raw = _DNG_VERSION in tags or bool(tags.get(_NEW_SUBFILE_TYPE, 0) & 1)
        bits, samples = tags.get(_BITS_PER_SAMPLE, 1), int(tags.get(_SAMPLES_PER_PIXEL, 1))
        is_deep = (max(bits) if isinstance(bits, tuple) else bits) > 8
        orientation = tags.get(_ORIENTATION, 1)
    if is_raw:
        raise UnsupportedPhoto("a camera's raw file, which holds only a preview as a photo; develop it first")
    _check_pixels(*size, limits)
    if samples > _MOST_SAMPLES:
        raise UnsupportedPhoto(f"{samples} values a pixel are not a photo's; save it as RGB")
    icc = _tag_bytes(tags, ICC_TAG)
    if is_deep and tags.get(_PHOTOMETRIC) in _GREY_OR_RGB:
        with _as_photo_errors(SourceFormat.TIFF):
            raster = raster_from_tiff(data)
    else:
        with _open_image(data, SourceFormat.TIFF, limits) as image, _as_photo_errors(SourceFormat.TIFF):
            image.load()
            raster = _pillow_raster(image, icc, warn)
        orientation = 1  # Pillow turns TIFF upright as it loads it
    xmp, iptc = _tag_bytes(tags, XMP_TAG), iptc_from_tiff(data, warn) if IPTC_TAG in tags else None
    metadata = PhotoMetadata(SourceFormat.TIFF, exif=clean_exif(tags, warn), xmp=xmp, iptc=iptc, icc=icc)
    return _photo(raster, metadata, orientation, warn)


def _tiff_tags(data: bytes) -> Image.Exif:
    """The first directory, which has the structure of an EXIF record and is read as one."""
    if b"+" in data[2:4]:  # BigTIFF, whose longer header only Pillow's own reader takes
        with Image.open(io.BytesIO(data), formats=[SourceFormat.TIFF]) as image:
            return image.getexif()
    tags = Image.Exif()
    tags.load(data)
    return tags


def _decode_heif(data: bytes, limits: DecodeLimits, warn: Warn) -> Photo:
    with _as_photo_errors(SourceFormat.HEIF):
        file = open_heif(data)
        width, height = file.size
    _check_pixels(width, height, limits)
    with _as_photo_errors(SourceFormat.HEIF):
        raster = raster_from_heif(file)
        exif = Image.Exif()
        if file.info.get("exif"):
            exif.load(file.info["exif"])
    metadata = PhotoMetadata(
        source_format=SourceFormat.HEIF,
        xmp=_bytes_or_none(file.info.get("xmp")),
        iptc=iptc_from_exif(exif),
        icc=_bytes_or_none(file.info.get("icc_profile")),
        exif=clean_exif(exif, warn),
    )
    return _photo(raster, metadata, 1, warn)


def _open_image(data: bytes, kind: SourceFormat, limits: DecodeLimits) -> ImageFile:
    # Pillow has a limit of its own, one for the whole process: it is raised, never lowered, to the one asked for.
    if Image.MAX_IMAGE_PIXELS is not None and limits.max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = limits.max_pixels
    try:
        image = Image.open(io.BytesIO(data), formats=[kind])
    except Image.DecompressionBombError:
        raise PhotoTooLarge(
            f"the photo has more than twice the {limits.max_pixels:,} pixels allowed; raise max_pixels, or scale it"
        ) from None
    except Image.UnidentifiedImageError:
        raise CorruptPhoto(
            f"it begins like {kind} but its header cannot be read, or is of a variant that is not ({READ}); "
            "fetch it again, or save it anew"
        ) from None
    except Exception as error:  # noqa: BLE001 (decoders raise almost anything on hostile files)
        raise _photo_error(error, kind) from None
    _check_pixels(*image.size, limits)
    return image


def _check_pixels(width: int, height: int, limits: DecodeLimits) -> None:
    if width < 1 or height < 1:
        raise CorruptPhoto(f"its header says {width} x {height} pixels; fetch it again")
    if width * height > limits.max_pixels:
        raise PhotoTooLarge(
            f"{width} x {height} = {width * height:,} pixels is more than the limit of {limits.max_pixels:,}; "
            "raise max_pixels if the photo is meant to be that large"
        )


def _pillow_raster(image: Image.Image, icc: bytes | None, warn: Warn) -> Raster:
    try:
        return raster_from_pillow(image, icc)
    except UnusableProfile as error:
        warn(f"the photo's ICC profile is ignored: {error}")
        return raster_from_pillow(image, None)


def _photo(raster: Raster, metadata: PhotoMetadata, orientation: Any, warn: Warn) -> Photo:
    color, bit_depth = raster.color, raster.bit_depth
    grayscale = all(bool((row == row[..., :1]).all()) for row in color)  # nearly always decided by the first row
    pixels = np.repeat(color, 3, axis=2) if color.shape[2] == 1 else color
    if raster.is_srgb:
        metadata = replace(metadata, icc=None)
    elif metadata.icc is not None:
        try:
            pixels, exact = to_srgb(pixels, metadata.icc)
            if bit_depth > 8 and not exact:
                warn(f"the photo keeps 8 of its {bit_depth} bits: its ICC profile is one of look-up tables")
                bit_depth = 8
        except UnusableProfile as error:
            warn(f"the photo's ICC profile is ignored: {error}")
            metadata = replace(metadata, icc=None)
    turn = _UPRIGHT.get(orientation, lambda array: array)
    alpha = None if raster.alpha is None else np.ascontiguousarray(turn(raster.alpha))
    return Photo(np.ascontiguousarray(turn(pixels)), alpha, bit_depth, grayscale, metadata)


@contextmanager
def _as_photo_errors(kind: SourceFormat) -> Iterator[None]:
    try:
        yield
    except (PhotoError, UnusableProfile, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 (decoders raise almost anything on hostile files)
        raise _photo_error(error, kind) from None


def _photo_error(error: Exception, kind: SourceFormat) -> PhotoError:
    text = f"{type(error).__name__}: {error}"
    ends_early = ("truncated", "too small", "premature", "unexpected end", "end of file", "corrupted strip")
    if isinstance(error, EOFError) or any(words in text.lower() for words in ends_early):
        return TruncatedPhoto(f"the {kind} file ends before the photo does ({text}); fetch it again")
    return CorruptPhoto(f"the {kind} file is damaged ({text}); fetch it again, or save it anew")


def _bytes_or_none(value: Any) -> bytes | None:
    if isinstance(value, str):
        value = value.encode("utf-8")
    return value if isinstance(value, bytes) and value else None


def _tag_bytes(tags: Image.Exif, tag: int) -> bytes | None:
    value = tags.get(tag)
    return bytes(value) if isinstance(value, tuple) else _bytes_or_none(value)
