"""Low frequencies of the input brought back into a restored photo, so that what the input shows stays as it was."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

Image = Float[Tensor, "batch channels height width"]

_REACH = 3.0
"""Standard deviations at which the Gaussian ends."""


def keep_frequencies(restored: Image, source: Image, cut: float) -> Image:
    """Frequencies below `cut` of the input, those above of the restored photo; both of one size, values not clamped.

    `cut` is in cycles per pixel of these pictures: there a Gaussian low-pass lets half of the amplitude through,
    exp(-2 (pi sigma cut)^2) = 1/2. At 0 or below the restored photo is as it is.
    """
    if cut <= 0.0:
        return restored
    return restored + _low_pass(source - restored, sigma=_sigma(cut))


def reach(cut: float) -> int:
    """Distance in pixels over which `keep_frequencies` looks."""
    return 0 if cut <= 0.0 else _radius(_sigma(cut))


def _sigma(cut: float) -> float:
    return math.sqrt(math.log(2.0) / 2.0) / (math.pi * cut)


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
