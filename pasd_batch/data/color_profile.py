"""ICC profiles: a photo's pixels to sRGB for the model, and back into the photo's own colour space.

Profiles made of a matrix and tone curves (nearly all of RGB and grey) are computed in floating point, after
ICC.1:2010 sections 6 and 10; those with look-up tables (CMYK, some scanners) go through LittleCMS at 8 bits.
"""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageCms

# Columns: sRGB's primaries in the profile connection space (D50), as the sRGB v2 profile has them.
_SRGB_TO_XYZ = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]], dtype=np.float64
)
_SAMPLES = 65536
_SAME = 2e-3
_ROWS_AT_ONCE = 256


class UnusableProfile(ValueError):
    """An ICC profile that is damaged, or whose colour space the pixels are not in."""


@dataclass(frozen=True, eq=False)
class CurveProfile:
    """A profile of tone curves and a matrix.

    Attributes:
        curves: one (grey) or three (RGB) rising curves, sampled evenly over [0, 1]; device value to linear light.
        to_xyz: (3, 3), linear RGB to D50 XYZ; the sRGB matrix for grey, whose hue is neutral anyway.
    """

    curves: tuple[np.ndarray, ...]
    to_xyz: np.ndarray

    @property
    def is_srgb(self) -> bool:
        """Whether it differs from sRGB by less than what can be seen, so that pixels are best left as they are."""
        grid = np.linspace(0.0, 1.0, _SAMPLES)
        same_curves = all(np.abs(curve - srgb_to_linear(grid)).max() < _SAME for curve in self.curves)
        return bool(same_curves and np.abs(self.to_xyz - _SRGB_TO_XYZ).max() < _SAME)

    def to_srgb(self, pixels: np.ndarray) -> np.ndarray:
        """Float (rows, columns, 3) in this space to sRGB, both in [0, 1]; colours that sRGB lacks are clipped."""
        matrix = (np.linalg.inv(_SRGB_TO_XYZ) @ self.to_xyz).astype(np.float32)
        linear = np.empty_like(pixels)
        for channel, curve in enumerate(self._forward):
            linear[..., channel] = _at(curve, pixels[..., channel])
        return linear_to_srgb(np.clip(linear @ matrix.T, 0.0, 1.0))

    def from_srgb(self, pixels: np.ndarray) -> np.ndarray:
        """Float (rows, columns, 3) in sRGB to this space, both in [0, 1]."""
        matrix = (np.linalg.inv(self.to_xyz) @ _SRGB_TO_XYZ).astype(np.float32)
        encoded = linear_to_srgb(np.clip(srgb_to_linear(pixels) @ matrix.T, 0.0, 1.0))
        device = np.empty_like(pixels)
        for channel, curve in enumerate(self._backward):
            device[..., channel] = _at(curve, encoded[..., channel])
        return device

    @cached_property
    def _forward(self) -> list[np.ndarray]:
        curves = self.curves * 3 if len(self.curves) == 1 else self.curves
        return [curve.astype(np.float32) for curve in curves]

    @cached_property
    def _backward(self) -> list[np.ndarray]:
        # Inverse curves are steep at black. Over values encoded as sRGB is, which is much the same curve, they are
        # nearly straight, and even steps are fine enough.
        grid = np.linspace(0.0, 1.0, _SAMPLES)
        return [np.interp(srgb_to_linear(grid), curve, grid).astype(np.float32) for curve in self._forward]


def srgb_to_linear(values: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1 decoding: encoded [0, 1] to linear light [0, 1]."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(values.dtype)


def linear_to_srgb(values: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1 encoding: linear light [0, 1] to encoded [0, 1]."""
    bright = 1.055 * np.maximum(values, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(values <= 0.0031308, values * 12.92, bright).astype(values.dtype)


def color_space(icc: bytes) -> str:
    """The profile's colour space from its header: `RGB`, `GRAY`, `CMYK`, `Lab` ...

    Raises:
        UnusableProfile: it is too short, or no ICC profile.
    """
    if len(icc) < 132 or icc[36:40] != b"acsp":
        raise UnusableProfile("not an ICC profile")
    return icc[16:20].decode("latin-1").strip()


def to_srgb(pixels: np.ndarray, icc: bytes) -> tuple[np.ndarray, bool]:
    """Float32 RGB or grey-as-RGB pixels (height, width, 3) from the profile's space to sRGB, both in [0, 1].

    Returns:
        The pixels, and whether they kept their precision (False: they went through 8 bits).

    Raises:
        UnusableProfile: the profile is damaged, or is neither RGB nor grey.
    """
    profile = parse_curve_profile(icc)
    if profile is not None:
        return (pixels if profile.is_srgb else _by_rows(pixels, profile.to_srgb)), True
    return _through_littlecms(pixels, icc, backwards=False), False


def from_srgb(pixels: np.ndarray, icc: bytes) -> np.ndarray | None:
    """Float32 sRGB pixels (height, width, 3) to the profile's space; None if the profile has no way in."""
    profile = parse_curve_profile(icc)
    if profile is not None:
        return pixels if profile.is_srgb else _by_rows(pixels, profile.from_srgb)
    try:
        return _through_littlecms(pixels, icc, backwards=True)
    except UnusableProfile:
        return None  # a scanner's profile, which only leads out of its space


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


def parse_curve_profile(icc: bytes) -> CurveProfile | None:
    """The profile as curves and matrix; None if it has look-up tables, which then rule.

    Raises:
        UnusableProfile: it is damaged, or is neither RGB nor grey.
    """
    space = color_space(icc)
    if space not in ("RGB", "GRAY"):
        raise UnusableProfile(f"a profile for {space} on an RGB or grey photo")
    try:
        tags = _tags(icc)
        if "A2B0" in tags:
            return None
        if space == "GRAY":
            return CurveProfile((_curve(tags["kTRC"]),), _SRGB_TO_XYZ)
        curves = tuple(_curve(tags[name]) for name in ("rTRC", "gTRC", "bTRC"))
        matrix = np.stack([_xyz(tags[name]) for name in ("rXYZ", "gXYZ", "bXYZ")], axis=1)
    except (KeyError, IndexError, struct.error, ValueError) as error:
        raise UnusableProfile(f"a damaged ICC profile ({error})") from None
    if abs(np.linalg.det(matrix)) < 1e-6:
        raise UnusableProfile("an ICC profile whose primaries lie on a line")
    return CurveProfile(curves, matrix)


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
    grid = np.linspace(0.0, 1.0, _SAMPLES)
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


def _at(curve: np.ndarray, values: np.ndarray) -> np.ndarray:
    return curve[np.rint(np.clip(values, 0.0, 1.0) * (_SAMPLES - 1)).astype(np.int32)]


def _by_rows(pixels: np.ndarray, convert: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`convert` on bands of rows, so that its intermediate results stay small."""
    result = np.empty(pixels.shape, dtype=np.float32)
    for start in range(0, pixels.shape[0], _ROWS_AT_ONCE):
        result[start : start + _ROWS_AT_ONCE] = convert(pixels[start : start + _ROWS_AT_ONCE])
    return result


def _through_littlecms(pixels: np.ndarray, icc: bytes, *, backwards: bool) -> np.ndarray:
    image = Image.fromarray(np.rint(np.clip(pixels, 0.0, 1.0) * 255.0).astype(np.uint8))
    grey = color_space(icc) == "GRAY"
    opened, srgb = _open(icc), ImageCms.createProfile("sRGB")
    try:
        if backwards:
            mode = "L" if grey else "RGB"
            converted = ImageCms.profileToProfile(image, srgb, opened, outputMode=mode)
        else:
            source = image.getchannel(0) if grey else image
            converted = ImageCms.profileToProfile(source, opened, srgb, outputMode="RGB")
    except ImageCms.PyCMSError as error:
        raise UnusableProfile(str(error)) from None
    if converted is None:
        raise UnusableProfile("LittleCMS gave no picture")
    return np.asarray(converted.convert("RGB"), dtype=np.float32) / 255.0


def _open(icc: bytes) -> ImageCms.ImageCmsProfile:
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(icc))
    except (OSError, ImageCms.PyCMSError) as error:
        raise UnusableProfile(f"a damaged ICC profile ({error})") from None
