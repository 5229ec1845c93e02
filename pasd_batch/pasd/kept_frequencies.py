"""Low frequencies of the input, restored in the result for fidelity."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

Image = Float[Tensor, "batch channels height width"]

_REACH = 3.0
"""Truncation of the Gaussian, standard deviations."""


def keep_frequencies(restored: Image, source: Image, cutoff: float) -> Image:
    """Replace the restored photo's frequencies below `cutoff` by the input's; the result is not clamped.

    `cutoff` is in cycles per pixel, the -6 dB point of a Gaussian low-pass: exp(-2 (pi sigma cutoff)^2) = 1/2. At 0 or
    below, the restored photo is returned unchanged. Both pictures have one size.
    """
    if cutoff <= 0.0:
        return restored
    return restored + _low_pass(source - restored, sigma=_sigma(cutoff))


def filter_radius(cutoff: float) -> int:
    """Radius of `keep_frequencies`, pixels."""
    return 0 if cutoff <= 0.0 else _radius(_sigma(cutoff))


def _sigma(cutoff: float) -> float:
    return math.sqrt(math.log(2.0) / 2.0) / (math.pi * cutoff)


def _radius(sigma: float) -> int:
    return max(1, math.ceil(_REACH * sigma))


def _low_pass(image: Image, *, sigma: float) -> Image:
    radius = _radius(sigma)
    places = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    line = torch.exp(-(places**2) / (2.0 * sigma**2))
    kernel = (line / line.sum()).expand(image.shape[1], 1, 1, -1)
    wide = conv2d(pad(image, (radius, radius, 0, 0), mode="replicate"), kernel, groups=image.shape[1])
    high = pad(wide, (0, 0, radius, radius), mode="replicate")
    return conv2d(high, kernel.transpose(2, 3), groups=image.shape[1])
