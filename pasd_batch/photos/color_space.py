"""Matrix and curve colour spaces, and sRGB, the colour space of the model."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Columns: sRGB's primaries in the profile connection space (D50), as the sRGB v2 profile has them.
SRGB_TO_XYZ = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]], dtype=np.float64
)
SAMPLES = 65536
_SAME = 2e-3
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True, eq=False)
class ColorSpace:
    """A colour space of tone curves and a matrix.

    Attributes:
        curves: one (grey) or three (RGB) rising curves, sampled evenly over [0, 1]; device value to linear light.
        to_xyz: (3, 3), linear RGB to D50 XYZ; the sRGB matrix for grey, whose hue is neutral anyway.
    """

    curves: tuple[np.ndarray, ...]
    to_xyz: np.ndarray

    @property
    def is_srgb(self) -> bool:
        """True if the difference from sRGB is invisible, so that no conversion is needed."""
        grid = np.linspace(0.0, 1.0, SAMPLES)
        same_curves = all(np.abs(curve - srgb_to_linear(grid)).max() < _SAME for curve in self.curves)
        return bool(same_curves and np.abs(self.to_xyz - SRGB_TO_XYZ).max() < _SAME)

    def to_srgb(self, pixels: np.ndarray) -> np.ndarray:
        """Float (rows, columns, 3) in [0, 1] in this space to sRGB; colours that sRGB lacks lie outside [0, 1]."""
        matrix = (np.linalg.inv(SRGB_TO_XYZ) @ self.to_xyz).astype(np.float32)
        linear = np.empty_like(pixels)
        for channel, curve in enumerate(self._forward):
            linear[..., channel] = _at(curve, pixels[..., channel])
        return linear_to_srgb(linear @ matrix.T)

    def from_srgb(self, pixels: np.ndarray) -> np.ndarray:
        """Float (rows, columns, 3) in sRGB to this space, both in [0, 1]."""
        matrix = (np.linalg.inv(self.to_xyz) @ SRGB_TO_XYZ).astype(np.float32)
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
        grid = np.linspace(0.0, 1.0, SAMPLES)
        return [np.interp(srgb_to_linear(grid), curve, grid).astype(np.float32) for curve in self._forward]


def srgb_to_linear(values: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1 decoding: encoded [0, 1] to linear light [0, 1]."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(values.dtype)


def linear_to_srgb(values: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1 encoding: linear light [0, 1] to encoded [0, 1], and on along the same curve outside."""
    bright = 1.055 * np.maximum(values, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(values <= 0.0031308, values * 12.92, bright).astype(values.dtype)


def xyz_to_linear_srgb(xyz: np.ndarray) -> np.ndarray:
    """D50 XYZ, last axis, to linear sRGB, not bounded."""
    return xyz @ np.linalg.inv(SRGB_TO_XYZ).T


Chromaticity = tuple[float, float]
"""CIE 1931 x and y."""


@dataclass(frozen=True)
class Primaries:
    """Chromaticities of a colour space's red, green, blue and white."""

    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    white: Chromaticity

    @property
    def to_xyz(self) -> np.ndarray:
        """(3, 3), linear RGB to XYZ as seen under D50, by Bradford adaptation (ICC.1:2010, annex E).

        Raises:
            ValueError: they span no colours.
        """
        columns = np.array([(x, y, 1.0 - x - y) for x, y in (self.red, self.green, self.blue)]).T
        if self.white[1] < 1e-3 or abs(np.linalg.det(columns)) < 1e-4:
            raise ValueError(f"primaries {self.red}, {self.green}, {self.blue}, white {self.white} span no colours")
        return self.adaptation @ (columns * np.linalg.solve(columns, self._white_xyz))

    @property
    def adaptation(self) -> np.ndarray:
        """(3, 3), XYZ under this white to XYZ under D50."""
        gains = (_BRADFORD @ _D50) / (_BRADFORD @ self._white_xyz)
        return np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD

    @property
    def _white_xyz(self) -> np.ndarray:
        x, y = self.white
        return np.array([x, y, 1.0 - x - y]) / y

    @property
    def is_srgb(self) -> bool:
        """True if the difference from sRGB's primaries is invisible."""
        return bool(np.abs(self.to_xyz - SRGB_TO_XYZ).max() < _SAME)


def _at(curve: np.ndarray, values: np.ndarray) -> np.ndarray:
    return curve[np.rint(np.clip(values, 0.0, 1.0) * (SAMPLES - 1)).astype(np.int32)]
