"""Soundness of a result: whether it can be a restored photo.

Judged on the decoded picture as the VAE gives it: clamping would turn infinities into white, and colour correction
would lay the input's colours over a picture that is black.
"""

import torch
from jaxtyping import Float
from torch import Tensor

FLAT_OUTPUT = 1.0 / 255
"""A picture whose standard deviation is below one 8-bit level is flat."""

VARIED_INPUT = 4.0 / 255
"""A photo above this standard deviation cannot rightly become a flat picture."""


def find_problem(decoded: Float[Tensor, "1 3 height width"], source: Float[Tensor, "1 3 height width"]) -> str | None:
    """Fault of a decoded picture, in about [0, 1] and not clamped; None when it is sound.

    Args:
        decoded: what the VAE made.
        source: the low-resolution photo at the same size, in [0, 1].
    """
    if not bool(torch.isfinite(decoded).all()):
        return "the restored photo holds values that are not finite numbers"
    flat = float(decoded.clamp(0.0, 1.0).std(correction=0)) < FLAT_OUTPUT
    if flat and float(source.std(correction=0)) > VARIED_INPUT:
        return "the restored photo is flat although the input is not"
    return None
