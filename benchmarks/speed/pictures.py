"""Pictures to measure with, and measures of a picture's error."""

import torch
from skimage import data
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

_WINDOW = 16
"""Pixels a side over which an error has to have one sign to be seen as a band."""


def photograph(side: int) -> Tensor:
    """A real photo, (3, side, side), sRGB in [0, 1], float32."""
    pixels = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)[None] / 255
    resized = interpolate(pixels, (side, side), mode="bicubic", antialias=True, align_corners=False)
    return resized[0].clamp(0.0, 1.0)


def sky(side: int) -> Tensor:
    """A gradient as of a clear sky, (3, side, side), in [0, 1]: it spans some 40 of 256 levels, so that bands show."""
    down, across = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    shade = 0.16 * down + 0.03 * across
    return torch.stack([0.35 + shade, 0.5 + 0.8 * shade, 0.75 + 0.6 * shade])


def error_levels(picture: Tensor, exact: Tensor) -> float:
    """Largest error of a picture (batch, 3, height, width) in [0, 1], in levels of 256."""
    return float((picture.float() - exact).abs().max()) * 255


def band_levels(picture: Tensor, exact: Tensor) -> float:
    """Largest error that a whole neighbourhood shares, in levels of 256: what the eye sees as bands or a cast."""
    shared = avg_pool2d(picture.float() - exact, _WINDOW, stride=1)
    return float(shared.abs().max()) * 255


def values_16_bit(picture: Tensor) -> int:
    """Number of different values that a picture in [0, 1] has in a 16-bit file."""
    return (picture.float().clamp(0.0, 1.0) * 65535).round().unique().numel()
