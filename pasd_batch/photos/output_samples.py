"""A photo's pixels as a file's samples: in the profile's colour space, at the file's bit depth and channels."""

import numpy as np

from pasd_batch.config.photos import ImageFormat, OutputSettings
from pasd_batch.photos.color_profile import UnusableProfile, color_space, from_srgb
from pasd_batch.photos.compact import WHITE_LEVEL, to_float
from pasd_batch.photos.errors import Warn
from pasd_batch.photos.photo import Photo, composite_over
from pasd_batch.photos.row_bands import row_bands

_NEUTRAL = 2e-3  # half a step of 8 bits: profiles' primaries add up to white only about so well

_ROWS_AT_ONCE = 1024


def output_samples(photo: Photo, settings: OutputSettings, warn: Warn) -> tuple[np.ndarray, bytes | None]:
    """Samples (height, width, 1 to 4), uint8 or uint16, and the profile to attach; made in bands of rows."""
    kind = np.dtype(np.uint16 if _is_deep(photo, settings) else np.uint8)
    bands = list(row_bands(photo.pixels, _ROWS_AT_ONCE))
    single = photo.grayscale and all(_is_single(_composited(photo, rows, settings)) for rows in bands)
    if photo.pixels.dtype == kind and photo.alpha is None and photo.metadata.icc is None:
        as_they_are = photo.pixels[..., :1] if single and _has_gray(settings) else photo.pixels
        return np.ascontiguousarray(as_they_are), None
    samples, icc = np.empty(0, kind), None
    for rows in bands:
        colors, icc = _output_colors(photo, rows, settings, single, warn if rows.start == 0 else _discard_warning)
        made = _quantised(colors, None if photo.alpha is None else photo.alpha[rows], kind)
        if rows.start == 0:
            samples = np.empty((photo.height, *made.shape[1:]), kind)
        samples[rows] = made
    return samples, icc


def _discard_warning(_: str) -> None:
    """Discard a warning of later bands, which the first one has given."""


def _is_deep(photo: Photo, settings: OutputSettings) -> bool:
    has_room = settings.format in (ImageFormat.PNG, ImageFormat.TIFF)
    return has_room and settings.keep_16_bit and photo.bit_depth > 8


def _has_gray(settings: OutputSettings) -> bool:
    return settings.format is not ImageFormat.WEBP


def _is_single(pixels: np.ndarray) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def _composited(photo: Photo, rows: slice, settings: OutputSettings) -> np.ndarray:
    """Rows of the photo as floats, composited over the background if the format has no alpha."""
    pixels = to_float(photo.pixels[rows])
    if settings.format is not ImageFormat.JPEG or photo.alpha is None:
        return pixels
    return composite_over(pixels, photo.alpha[rows], np.array(settings.background, dtype=np.float32) / 255.0)


def _output_colors(
    photo: Photo, rows: slice, settings: OutputSettings, single: bool, warn: Warn
) -> tuple[np.ndarray, bytes | None]:
    """Colours (rows, width, 1 or 3) in the space of the profile to attach, and that profile."""
    icc, pixels = photo.metadata.icc, _composited(photo, rows, settings)
    as_gray = single and _has_gray(settings)
    converted = None if icc is None else _converted(pixels, icc, as_gray, warn)
    if converted is None:
        return (pixels[..., :1] if as_gray else pixels), None
    if photo.out_of_gamut is not None:
        out_of_gamut = photo.out_of_gamut[rows]
        alpha = photo.alpha if settings.format is ImageFormat.JPEG else None
        converted = converted + (out_of_gamut if alpha is None else out_of_gamut * alpha[rows][..., np.newaxis])
    if single and converted.shape[2] == 3 and np.ptp(converted, axis=2).max() < _NEUTRAL:
        converted = np.repeat(converted[..., 1:2], 3, axis=2)
    return converted, icc


def _converted(pixels: np.ndarray, icc: bytes, as_gray: bool, warn: Warn) -> np.ndarray | None:
    """sRGB pixels in the profile's space, with its number of channels; None where they have to stay sRGB."""
    try:
        space = color_space(icc)
        if space == "GRAY":
            converted = from_srgb(pixels, icc) if as_gray else None
            return None if converted is None else converted[..., :1]
        converted = from_srgb(pixels, icc) if space == "RGB" else None
    except UnusableProfile as error:
        warn(f"the photo's ICC profile is left out: {error}")
        return None
    if converted is None:
        warn(
            f"the photo's ICC profile for {space} has no way back from sRGB and is left out, and with it colours beyond"
        )
    return converted


def _quantised(colors: np.ndarray, alpha: np.ndarray | None, kind: np.dtype) -> np.ndarray:
    channels = colors if alpha is None else np.concatenate([colors, alpha[..., np.newaxis]], axis=2)
    return np.rint(np.clip(channels, 0.0, 1.0) * WHITE_LEVEL[kind]).astype(kind)
