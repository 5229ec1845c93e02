"""Transfer functions (ITU-T H.273): encoded values to linear light, and HDR to SDR."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pasd_batch.luma import BT2020
from pasd_batch.photos.color_space import linear_to_srgb, srgb_to_linear
from pasd_batch.photos.row_bands import row_bands

SDR_WHITE = 203.0
"""cd/m² of what is white in an SDR picture (HDR reference white, ITU-R BT.2408)."""

_HLG_PEAK = 1000.0  # the display that BT.2100's reference OOTF is for
_HLG_GAMMA = 1.2


@dataclass(frozen=True)
class Transfer:
    """A transfer function: `linear` maps [0, 1] to linear light, with white at 1, or in cd/m² if `is_hdr`."""

    name: str
    linear: Callable[[np.ndarray], np.ndarray]
    is_hdr: bool = False

    def in_srgb_curve(self, pixels: np.ndarray) -> np.ndarray:
        """Float32 (height, width, 1 or 3) in [0, 1] with sRGB's curve in place of this one.

        HDR is brought to SDR: up to 203 cd/m², which is white, nothing changes. A photo that is brighter anywhere has
        its bright tones compressed by ITU-R BT.2390's EETF, from its own peak to white, alike in all three channels.
        """
        if self.linear is srgb_to_linear:
            return pixels
        peak = max(float(self.linear(pixels[rows]).max()) for rows in row_bands(pixels)) if self.is_hdr else 1.0
        result = np.empty(pixels.shape, dtype=np.float32)
        for rows in row_bands(pixels):
            light = self.linear(pixels[rows].astype(np.float64))
            if self.is_hdr:
                light = _compressed(light, peak) / SDR_WHITE
            result[rows] = linear_to_srgb(np.clip(light, 0.0, 1.0))
        return result


def power(gamma: float) -> Transfer:
    """A plain power."""
    return Transfer(f"gamma {gamma:g}", lambda values: values**gamma)


def pq_to_light(values: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084: encoded [0, 1] to cd/m²."""
    root = np.clip(values, 0.0, 1.0) ** (1 / _PQ_M2)
    return 10000.0 * (np.maximum(root - _PQ_C1, 0.0) / (_PQ_C2 - _PQ_C3 * root)) ** (1 / _PQ_M1)


def light_to_pq(light: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084: cd/m² to encoded [0, 1]."""
    root = (np.maximum(light, 0.0) / 10000.0) ** _PQ_M1
    return ((_PQ_C1 + _PQ_C2 * root) / (1.0 + _PQ_C3 * root)) ** _PQ_M2


_PQ_M1, _PQ_M2 = 2610 / 16384, 2523 / 4096 * 128
_PQ_C1, _PQ_C2, _PQ_C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def _hlg_to_light(values: np.ndarray) -> np.ndarray:
    """ITU-R BT.2100: encoded [0, 1] to cd/m² on a display of 1000."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(values <= 0.5, values**2 / 3.0, (np.exp((values - c) / a) + b) / 12.0)
    luminance = scene @ BT2020 if scene.shape[-1] == 3 else scene[..., 0]
    return _HLG_PEAK * scene * (np.maximum(luminance, 1e-9) ** (_HLG_GAMMA - 1.0))[..., np.newaxis]


def _compressed(light: np.ndarray, peak: float) -> np.ndarray:
    """ITU-R BT.2390, section 5.4.1 (EETF), on the largest channel; the others keep their share of it."""
    if peak <= SDR_WHITE:
        return light
    largest = light.max(axis=-1, keepdims=True)
    top = light_to_pq(np.array(peak))
    white = float(light_to_pq(np.array(SDR_WHITE)) / top)
    knee = 1.5 * white - 0.5
    value = light_to_pq(largest) / top
    t = np.clip((value - knee) / (1.0 - knee), 0.0, 1.0)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1.0 - knee) + (3 * t**2 - 2 * t**3) * white
    wanted = pq_to_light(np.where(value > knee, spline, value) * top)
    return light * np.where(value > knee, wanted / np.maximum(largest, 1e-6), 1.0)


def _camera(alpha: float, beta: float, slope: float) -> Callable[[np.ndarray], np.ndarray]:
    """The inverse of a camera's curve: a power of 0.45 with a straight foot."""
    return lambda values: np.where(
        values < slope * beta, values / slope, (np.maximum(values + alpha - 1.0, 0.0) / alpha) ** (1 / 0.45)
    )


def _logarithmic(decades: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda values: np.where(values <= 0.0, 0.0, 10.0 ** ((values - 1.0) * decades))


SRGB = Transfer("sRGB", srgb_to_linear)
_BT709 = Transfer("BT.709", _camera(1.099296826809442, 0.018053968510807, 4.5))
TRANSFERS = {
    1: _BT709,
    4: power(2.2),
    5: power(2.8),
    6: _BT709,
    7: Transfer("SMPTE 240M", _camera(1.111572195921731, 0.022821585529445, 4.0)),
    8: Transfer("linear", lambda values: values),
    9: Transfer("logarithmic 100:1", _logarithmic(2.0)),
    10: Transfer("logarithmic 316:1", _logarithmic(2.5)),
    11: _BT709,
    12: _BT709,
    13: SRGB,
    14: _BT709,
    15: _BT709,
    16: Transfer("PQ", pq_to_light, is_hdr=True),
    17: Transfer("SMPTE ST 428-1", lambda values: 52.37 / 48.0 * values**2.6),
    18: Transfer("HLG", _hlg_to_light, is_hdr=True),
}
"""By H.273's TransferCharacteristics. 11 and 12 differ from BT.709 outside of [0, 1] only, where no photo is."""
