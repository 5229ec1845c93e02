"""A file's bytes to a photo: the right way up, in sRGB, with what it carries kept for the output."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.data.color_profile import UnusableProfile, to_srgb
from pasd_batch.data.decode_heif import decode_heif
from pasd_batch.data.decode_pillow import decode_with_pillow
from pasd_batch.data.decode_tiff import decode_tiff
from pasd_batch.data.decoded_file import DecodedFile
from pasd_batch.data.hidden_colors import without_hidden_colors
from pasd_batch.data.photo import Photo
from pasd_batch.data.photo_errors import EmptyPhoto, PhotoTooLarge, Warn
from pasd_batch.data.photo_format import SourceFormat, source_format

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
            file = decode_heif(data, limits, warnings.append)
        case SourceFormat.TIFF:
            file = decode_tiff(data, limits, warnings.append)
        case _:
            file = decode_with_pillow(data, kind, limits, warnings.append)
    photo = _upright_in_srgb(file, warnings.append)
    return replace(photo, warnings=tuple(warnings))


def _upright_in_srgb(file: DecodedFile, warn: Warn) -> Photo:
    raster, metadata = file.raster, file.metadata
    color, alpha, bit_depth = raster.color, raster.alpha, raster.bit_depth
    del raster.color, raster.alpha  # each copy goes as soon as the next is made
    if alpha is not None:
        color = without_hidden_colors(color, alpha)
    grayscale = all(bool((row == row[..., :1]).all()) for row in color)  # nearly always decided by the first row
    pixels = np.repeat(color, 3, axis=2) if color.shape[2] == 1 else color
    del color
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
    turn = _UPRIGHT.get(file.orientation, lambda array: array)
    alpha = None if alpha is None else np.ascontiguousarray(turn(alpha))
    return Photo(np.ascontiguousarray(turn(pixels)), alpha, bit_depth, grayscale, metadata)
