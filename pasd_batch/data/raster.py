"""Decoded samples of any depth and channel layout as floating-point colour and transparency."""

from dataclasses import dataclass

import numpy as np

from pasd_batch.data.photo_errors import CorruptPhoto, UnsupportedPhoto

_SIGNED, _FLOAT = 2, 3
_PREMULTIPLIED, _SEPARATE = 1, 2


@dataclass(frozen=True, eq=False)
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
    values = normalised(samples, 1, bits or samples.dtype.itemsize * 8)
    channels = values if values.ndim == 3 else values[..., np.newaxis]
    colors = 1 if channels.shape[2] < 3 else 3
    raster = split_alpha(channels, colors, ())
    return Raster(raster.color, raster.alpha, 8 if samples.dtype == np.uint8 else 16, is_srgb)


def split_alpha(channels: np.ndarray, colors: int, extra: tuple[int, ...]) -> Raster:
    """Colour and the first extra channel, if it is (or, undeclared, must be) transparency."""
    if channels.shape[2] < colors:
        raise CorruptPhoto(f"{channels.shape[2]} channels are too few for a photo of {colors}")
    color, alpha = channels[..., :colors], None
    kind = extra[0] if extra else _SEPARATE
    if channels.shape[2] > colors and kind in (_PREMULTIPLIED, _SEPARATE):
        alpha = np.ascontiguousarray(channels[..., colors])
        if kind == _PREMULTIPLIED:
            color = np.clip(color / np.maximum(alpha, 1e-6)[..., np.newaxis], 0.0, 1.0)
    return Raster(np.ascontiguousarray(color), alpha, 16)


def normalised(samples: np.ndarray, sample_format: int, bits: int) -> np.ndarray:
    """Samples as float32 in [0, 1]: integers by the largest their bits can hold, negative ones as 0.

    Floats are taken as 0 to 1; if some are larger, as 0 to 255 or 0 to 65535, whichever holds them all.
    """
    if sample_format == _FLOAT:
        return _normalised_floats(samples)
    if samples.dtype.kind == "u" and bits <= 16:
        return np.divide(samples, np.float32(2**bits - 1), dtype=np.float32)
    largest = 2 ** (bits - 1) - 1 if sample_format == _SIGNED else 2**bits - 1
    return np.clip(samples.astype(np.float64) / largest, 0.0, 1.0).astype(np.float32)


def _normalised_floats(samples: np.ndarray) -> np.ndarray:
    if not np.isfinite(samples).all():
        raise CorruptPhoto("some pixels are not finite numbers; replace them and save the photo again")
    peak = float(samples.max(initial=0.0))
    scale = next((scale for scale in (1.0, 255.0, 65535.0) if peak <= scale), None)
    if scale is None:
        raise UnsupportedPhoto(f"floating-point pixels up to {peak:g}; scale them to between 0 and 1")
    return np.clip(samples / scale, 0.0, 1.0).astype(np.float32)
