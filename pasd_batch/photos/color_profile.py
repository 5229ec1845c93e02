"""ICC profiles: conversion of pixels to sRGB for the model, and back to the photo's colour space.

Profiles made of a matrix and tone curves (nearly all of RGB and grey) are computed in floating point, after
ICC.1:2010 sections 6 and 10; those with look-up tables (scanners, printers) go through LittleCMS in floating point,
those of CMYK at 8 bits.
"""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

from pasd_batch.photos.color_space import SAMPLES, SRGB_TO_XYZ, ColorSpace
from pasd_batch.photos.row_bands import row_bands

GAMUT_TOLERANCE = 0.5 / 255
"""Values up to this far outside [0, 1] count as in gamut."""

_Convert = Callable[[np.ndarray], np.ndarray]


class UnusableProfile(ValueError):
    """An ICC profile that is damaged, or whose colour space the pixels are not in."""


def color_space(icc: bytes) -> str:
    """The profile's colour space from its header: `RGB`, `GRAY`, `CMYK`, `Lab` ...

    Raises:
        UnusableProfile: it is too short, or no ICC profile.
    """
    if len(icc) < 132 or icc[36:40] != b"acsp":
        raise UnusableProfile("not an ICC profile")
    return icc[16:20].decode("latin-1").strip()


@dataclass(frozen=True, eq=False)
class SrgbPixels:
    """Pixels converted to sRGB, and the residual of those out of its gamut.

    Attributes:
        pixels: float32 (height, width, 3), sRGB in [0, 1].
        out_of_gamut: float16 (height, width, 3): original minus `from_srgb(pixels)`, in the profile's space; 0 for
            colours in gamut. None if all are in gamut, or the profile has no inverse.
    """

    pixels: np.ndarray
    out_of_gamut: np.ndarray | None


def to_srgb(pixels: np.ndarray, icc: bytes) -> SrgbPixels:
    """Float32 RGB or grey-as-RGB pixels (height, width, 3) in [0, 1] from the profile's space to sRGB.

    Raises:
        UnusableProfile: the profile is damaged, or is neither RGB nor grey.
    """
    profile = parse_curve_profile(icc)
    if profile is not None and profile.is_srgb:
        return SrgbPixels(pixels, None)
    convert = profile.to_srgb if profile is not None else _littlecms_transform(icc, backwards=False)
    back = profile.from_srgb if profile is not None else _littlecms_inverse(icc)
    seen, out_of_gamut = np.empty(pixels.shape, dtype=np.float32), None
    for rows in row_bands(pixels):
        unbounded = convert(pixels[rows])
        seen[rows] = np.clip(unbounded, 0.0, 1.0)
        outside = np.abs(unbounded - seen[rows]).max(axis=2) > GAMUT_TOLERANCE
        if back is not None and outside.any():
            out_of_gamut = np.zeros(pixels.shape, dtype=np.float16) if out_of_gamut is None else out_of_gamut
            lost = pixels[rows][outside] - np.clip(back(seen[rows][outside][np.newaxis])[0], 0.0, 1.0)
            out_of_gamut[rows][outside] = lost
    return SrgbPixels(seen, out_of_gamut)


def from_srgb(pixels: np.ndarray, icc: bytes) -> np.ndarray | None:
    """Float32 sRGB pixels (height, width, 3) to the profile's space; None if the profile has no inverse."""
    profile = parse_curve_profile(icc)
    if profile is not None and profile.is_srgb:
        return pixels
    convert = profile.from_srgb if profile is not None else _littlecms_inverse(icc)
    if convert is None:
        return None  # as with most scanners' profiles
    result = np.empty(pixels.shape, dtype=np.float32)
    for rows in row_bands(pixels):
        result[rows] = np.clip(convert(pixels[rows]), 0.0, 1.0)
    return result


def cmyk_to_rgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """An 8-bit CMYK image as sRGB, by its profile if there is one, else by plain complement.

    Raises:
        UnusableProfile: the profile is damaged, or not one of CMYK.
    """
    if icc is None:
        return image.convert("RGB")
    if color_space(icc) != "CMYK":
        raise UnusableProfile(f"a profile for {color_space(icc)} on a CMYK photo")
    try:
        converted = ImageCms.profileToProfile(image, _open(icc), ImageCms.createProfile("sRGB"), outputMode="RGB")
    except ImageCms.PyCMSError as error:
        raise UnusableProfile(str(error)) from None
    return converted or image.convert("RGB")


def profile_name(icc: bytes) -> str | None:
    """The profile's description, such as `sRGB IEC61966-2.1`; None if it has none."""
    try:
        return ImageCms.getProfileDescription(_open(icc)).strip() or None
    except (UnusableProfile, ImageCms.PyCMSError):
        return None


def parse_curve_profile(icc: bytes) -> ColorSpace | None:
    """The profile as curves and matrix; None if it has look-up tables, which take precedence.

    Raises:
        UnusableProfile: it is damaged, or is neither RGB nor grey.
    """
    space = color_space(icc)
    if space not in ("RGB", "GRAY"):
        raise UnusableProfile(f"a profile for {space} on an RGB or grey photo")
    try:
        tags = _tags(icc)
        if "A2B0" in tags or (space == "GRAY" and icc[20:24] == b"Lab "):  # whose curve is one of lightness
            return None
        if space == "GRAY":
            return ColorSpace((_curve(tags["kTRC"]),), SRGB_TO_XYZ)
        curves = tuple(_curve(tags[name]) for name in ("rTRC", "gTRC", "bTRC"))
        matrix = np.stack([_xyz(tags[name]) for name in ("rXYZ", "gXYZ", "bXYZ")], axis=1)
    except (KeyError, IndexError, struct.error, ValueError) as error:
        raise UnusableProfile(f"a damaged ICC profile ({error})") from None
    if abs(np.linalg.det(matrix)) < 1e-6:
        raise UnusableProfile("an ICC profile whose primaries lie on a line")
    return ColorSpace(curves, matrix)


def _tags(icc: bytes) -> dict[str, bytes]:
    (count,) = struct.unpack_from(">I", icc, 128)
    if count > 1000:
        raise ValueError(f"{count} tags")
    entries = [struct.unpack_from(">4sII", icc, 132 + 12 * index) for index in range(count)]
    return {name.decode("latin-1"): icc[offset : offset + size] for name, offset, size in entries}


def _xyz(tag: bytes) -> np.ndarray:
    return np.array(struct.unpack_from(">3i", tag, 8), dtype=np.float64) / 65536.0


def _curve(tag: bytes) -> np.ndarray:
    """A `curv` (10.6) or `para` (10.18) tag, sampled."""
    grid = np.linspace(0.0, 1.0, SAMPLES)
    if tag[:4] == b"para":
        return _parametric(tag, grid)
    if tag[:4] != b"curv":
        raise ValueError(f"a tone curve of type {tag[:4]!r}")
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
        return grid
    table = np.array(struct.unpack_from(f">{count}H", tag, 12), dtype=np.float64)
    if count == 1:
        return grid ** (table[0] / 256.0)
    # A scanner's noisy table may fall here and there; its inverse needs it rising.
    return np.maximum.accumulate(np.interp(grid, np.linspace(0.0, 1.0, count), table / 65535.0))


def _parametric(tag: bytes, grid: np.ndarray) -> np.ndarray:
    (kind,) = struct.unpack_from(">H", tag, 8)
    if kind > 4:
        raise ValueError(f"a parametric curve of type {kind}")
    numbers = (1, 3, 4, 5, 7)[kind]
    values = [value / 65536.0 for value in struct.unpack_from(f">{numbers}i", tag, 12)]
    gamma, scale, offset, slope, threshold, lift, foot = _seven_parameters(kind, values)
    power = np.maximum(scale * grid + offset, 0.0) ** gamma + lift
    return np.clip(np.where(grid >= threshold, power, slope * grid + foot), 0.0, 1.0)


def _seven_parameters(kind: int, values: list[float]) -> list[float]:
    """Any parametric curve as the general one: (a x + b)^g + e from x = d on, below it c x + f."""
    if kind == 0:
        return [values[0], 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    gamma, scale, offset = values[:3]
    if kind in (1, 2):
        lift = values[3] if kind == 2 else 0.0
        return [gamma, scale, offset, 0.0, -offset / scale, lift, lift]
    return [*values, 0.0, 0.0] if kind == 3 else values


def _littlecms_inverse(icc: bytes) -> _Convert | None:
    try:
        return _littlecms_transform(icc, backwards=True)
    except UnusableProfile:
        return None


def _littlecms_transform(icc: bytes, *, backwards: bool) -> _Convert:
    """LittleCMS's perceptual conversion to sRGB or back, of float32 (rows, columns, 3); results are not clipped.

    Raises:
        UnusableProfile: it is damaged, or has no tables for that direction.
    """
    import imagecodecs

    device, srgb = ("gray" if color_space(icc) == "GRAY" else "rgb"), imagecodecs.cms_profile("srgb")

    def convert(pixels: np.ndarray) -> np.ndarray:
        values = np.ascontiguousarray(pixels[..., 0] if device == "gray" and not backwards else pixels, np.float32)
        profiles, spaces = ((srgb, icc), ("rgb", device)) if backwards else ((icc, srgb), (device, "rgb"))
        try:
            result = imagecodecs.cms_transform(
                values, *profiles, colorspace=spaces[0], outcolorspace=spaces[1], outdtype=np.float32
            )
        except imagecodecs.CmsError as error:
            raise UnusableProfile(f"an ICC profile that LittleCMS refuses ({error})") from None
        return np.repeat(result[..., np.newaxis], 3, axis=2) if result.ndim == 2 else result

    convert(np.zeros((1, 1, 3), np.float32))
    return convert


def _open(icc: bytes) -> ImageCms.ImageCmsProfile:
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(icc))
    except (OSError, ImageCms.PyCMSError) as error:
        raise UnusableProfile(f"a damaged ICC profile ({error})") from None
