"""Decoded samples of any bit depth and channel layout as float colour and alpha."""

from dataclasses import dataclass

import numpy as np

from pasd_batch.photos.errors import CorruptPhoto, UnsupportedPhoto, Warn
from pasd_batch.photos.row_bands import row_bands

_SIGNED, _FLOAT = 2, 3
_PREMULTIPLIED, _SEPARATE = 1, 2
_BRIGHTEST_FLOAT = 16.0
"""Floats up to this are taken as a photo of 0 to 1 with highlights; above, as one of 0 to 255 or 65535."""


@dataclass(eq=False)
class Raster:
    """A photo's samples as stored (not yet turned upright, in the colour space of its own profile).

    Attributes:
        color: float32 (height, width, 1 or 3) in [0, 1]; grey or RGB.
        alpha: float32 (height, width) in [0, 1], not multiplied into `color`; None if there is none.
        bit_depth: 8 or 16.
        is_srgb: the source's own colour space was already left (CMYK, Lab), its profile no longer applies.
    """

    color: np.ndarray
    alpha: np.ndarray | None
    bit_depth: int
    is_srgb: bool = False


def raster_from_channels(samples: np.ndarray, *, bits: int | None = None, is_srgb: bool = False) -> Raster:
    """Grey, grey and alpha, RGB or RGBA samples, of `bits` each (those of their type if not given)."""
    colors = 1 if samples.ndim == 2 or samples.shape[2] < 3 else 3
    raster = raster_from_samples(samples, 2 ** (bits or samples.dtype.itemsize * 8) - 1, colors, ())
    return Raster(raster.color, raster.alpha, 8 if samples.dtype == np.uint8 else 16, is_srgb)


def raster_from_samples(samples: np.ndarray, largest: float, colors: int, extra: tuple[int, ...]) -> Raster:
    """Colour and transparency, the first extra channel that is (or, undeclared, must be) one; `largest` becomes 1."""
    channels = samples if samples.ndim == 3 else samples[..., np.newaxis]
    if channels.shape[2] < colors:
        raise CorruptPhoto(f"{channels.shape[2]} channels are too few for a photo of {colors}")
    color, alpha = _floats(channels[..., :colors], largest), None
    place = transparent_channel(channels.shape[2] - colors, extra)
    if place is not None:
        alpha = _floats(channels[..., colors + place], largest)
        if extra and extra[place] == _PREMULTIPLIED:
            for rows in row_bands(color):
                color[rows] = np.clip(color[rows] / np.maximum(alpha[rows], 1e-6)[..., np.newaxis], 0.0, 1.0)
    return Raster(color, alpha, 16)


def transparent_channel(count: int, extra: tuple[int, ...]) -> int | None:
    """Index of the transparency among `count` channels beside colours, by TIFF's ExtraSamples; 0 if that is empty."""
    kinds = extra or (_SEPARATE,)
    return next((place for place, kind in enumerate(kinds[:count]) if kind in (_PREMULTIPLIED, _SEPARATE)), None)


def largest_sample(samples: np.ndarray, sample_format: int, bits: int, warn: Warn) -> float:
    """The sample that stands for 1: of integers the largest that their bits can hold.

    Floats are taken as 0 to 1, what is above as highlights that are cut off; if some are far larger, as 0 to 255 or 0
    to 65535, whichever holds them all. Anything but 0 to 1 is a guess, with a warning.
    """
    if sample_format != _FLOAT:
        return 2 ** (bits - 1) - 1 if sample_format == _SIGNED else 2**bits - 1
    if not all(np.isfinite(samples[rows]).all() for rows in row_bands(samples)):
        raise CorruptPhoto("some pixels are not finite numbers; replace them and save the photo again")
    peak = float(samples.max(initial=0.0))
    scale = 1.0 if peak <= _BRIGHTEST_FLOAT else next((scale for scale in (255.0, 65535.0) if peak <= scale), None)
    if scale is None:
        raise UnsupportedPhoto(f"floating-point pixels up to {peak:g}; scale them to between 0 and 1")
    if peak > 1.0:
        cut = "; what is brighter is cut off" if scale == 1.0 else ""
        warn(f"floating-point pixels of up to {peak:g} are taken to lie between 0 and {scale:g}{cut}")
    return scale


def _floats(samples: np.ndarray, largest: float) -> np.ndarray:
    """Samples as float32 in [0, 1], negative ones as 0; in bands of rows, to save memory."""
    values = np.empty(samples.shape, dtype=np.float32)
    for rows in row_bands(samples):
        if samples.dtype.kind == "u" and samples.dtype.itemsize <= 2:
            np.divide(samples[rows], np.float32(largest), out=values[rows], dtype=np.float32)
        else:
            exact = samples[rows] if samples.dtype.kind == "f" else samples[rows].astype(np.float64)
            values[rows] = np.clip(exact / largest, 0.0, 1.0)
    return values
