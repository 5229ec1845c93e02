"""Decoding of a file's bytes: upright sRGB pixels, with alpha and metadata kept for the output."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.color_profile import SrgbPixels, UnusableProfile, color_space, to_srgb
from pasd_batch.photos.decode_heif import decode_heif
from pasd_batch.photos.decode_pillow import decode_with_pillow
from pasd_batch.photos.decode_tiff import decode_tiff
from pasd_batch.photos.decoded_file import DecodedFile
from pasd_batch.photos.decoding_cost import check_cost
from pasd_batch.photos.errors import Warn
from pasd_batch.photos.formats import SourceFormat, source_format
from pasd_batch.photos.hidden_colors import fill_hidden_colors
from pasd_batch.photos.photo import ColorSource, Photo, PhotoMetadata
from pasd_batch.photos.stated_colors import StatedColors, stated_colors, states_any_colors
from pasd_batch.photos.stated_profile import make_profile

# EXIF orientation (2-8) to the function that turns an array (height, width, channels) upright.
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: np.swapaxes(pixels, 0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.swapaxes(pixels, 0, 1)[::-1, ::-1],
    8: lambda pixels: np.rot90(pixels),
}


def decode_photo(data: bytes, *, limits: DecodeLimits | None = None, page: int | None = None) -> Photo:
    """Decode a photo; of an animation or a document of several pages, the first picture, or that of number `page`.

    Colours go by the ICC profile, else by HEIC's, AVIF's or PNG's codes of ITU-T H.273, else by PNG's gAMA and cHRM or
    a camera's Adobe RGB, else they are sRGB's; what is unusable is ignored. Where other primaries than sRGB's are
    stated, a profile of them is made for the output. Floats and integers are scaled to [0, 1] as `raster` says. What is
    ignored, left out or repaired is in `Photo.warnings`.

    Raises:
        EmptyPhoto, UnsupportedPhoto, TruncatedPhoto, CorruptPhoto, NoSuchPage: as their names say.
        PhotoTooLarge: over a limit; found from the header, before pixels are decoded.
    """
    limits = limits or DecodeLimits()
    check_cost(data, limits, page)
    kind = source_format(data)
    warnings: list[str] = []
    match kind:
        case SourceFormat.HEIF:
            file = decode_heif(data, limits, warnings.append, page)
        case SourceFormat.TIFF:
            file = decode_tiff(data, limits, warnings.append, page)
        case _:
            file = decode_with_pillow(data, kind, limits, warnings.append, page)
    has_profile = file.metadata.icc is not None or file.raster.is_srgb
    stated = None if has_profile else stated_colors(data, kind, warnings.append, exif=file.metadata.exif)
    photo = _upright_in_srgb(file, stated, warnings.append)
    metadata = replace(photo.metadata, size=(photo.width, photo.height))
    if metadata.colors is ColorSource.NONE and states_any_colors(data, kind, exif=metadata.exif):
        metadata = replace(metadata, colors=ColorSource.STATED)
    return replace(photo, metadata=metadata, warnings=tuple(warnings), form=file.form)


def _upright_in_srgb(file: DecodedFile, stated: StatedColors | None, warn: Warn) -> Photo:
    raster, metadata = file.raster, file.metadata
    color, alpha, bit_depth = raster.color, raster.alpha, raster.bit_depth
    del raster.color, raster.alpha  # each copy goes as soon as the next is made
    if alpha is not None:
        color = fill_hidden_colors(color, alpha)
    grayscale = all(bool((row == row[..., :1]).all()) for row in color)  # nearly always decided by the first row
    if raster.is_srgb:
        metadata = replace(metadata, icc=None, colors=ColorSource.CONVERTED)
    elif stated is not None:
        color = stated.in_srgb_curve(color, bits=bit_depth)
        is_wide = not (grayscale or stated.primaries.is_srgb)
        icc = make_profile(stated.primaries) if is_wide else None
        metadata = replace(metadata, icc=icc, colors=ColorSource.STATED)
    elif metadata.icc is not None:
        metadata = replace(metadata, colors=ColorSource.PROFILE)
    pixels = np.repeat(color, 3, axis=2) if color.shape[2] == 1 else color
    del color
    seen, metadata = _converted_by_profile(pixels, metadata, grayscale, warn)
    pixels, out_of_gamut = seen.pixels, None if grayscale else seen.out_of_gamut
    del seen
    turn = _UPRIGHT.get(file.orientation, lambda array: array)
    alpha = None if alpha is None else np.ascontiguousarray(turn(alpha))
    out_of_gamut = None if out_of_gamut is None else np.ascontiguousarray(turn(out_of_gamut))
    return Photo(np.ascontiguousarray(turn(pixels)), alpha, bit_depth, grayscale, metadata, out_of_gamut=out_of_gamut)


def _converted_by_profile(
    pixels: np.ndarray, metadata: PhotoMetadata, grayscale: bool, warn: Warn
) -> tuple[SrgbPixels, PhotoMetadata]:
    """The pixels in sRGB, and the metadata, without an ICC profile that is unusable."""
    if metadata.icc is None:
        return SrgbPixels(pixels, None), metadata
    try:
        if not grayscale and color_space(metadata.icc) == "GRAY":
            raise UnusableProfile("a profile for GRAY on a photo in colour")
        return to_srgb(pixels, metadata.icc), metadata
    except UnusableProfile as error:
        warn(f"the photo's ICC profile is ignored: {error}")
        return SrgbPixels(pixels, None), replace(metadata, icc=None, colors=ColorSource.IGNORED)
