"""Soundness of a result: no NaN or infinity, and not flat.

Measured on the VAE's output: clamping would turn infinities into white, and the colour fix would put the input's
colours over a black picture.
"""

import torch
from jaxtyping import Float
from torch import Tensor

FLAT_OUTPUT = 1.0 / 255
"""A picture whose standard deviation is below one 8-bit level is flat."""

VARIED_INPUT = 4.0 / 255
"""An input above this standard deviation must not become flat."""


def measure_soundness(
    decoded: Float[Tensor, "1 3 height width"], source: Float[Tensor, "1 3 height width"]
) -> Float[Tensor, " measures"]:
    """Measures for `find_problem`, without synchronising with the device.

    Args:
        decoded: what the VAE made, in about [0, 1] and not clamped.
        source: the low-resolution photo at the same size, in [0, 1].
    """
    finite = torch.isfinite(decoded).all().float()
    return torch.stack([finite, decoded.clamp(0.0, 1.0).std(correction=0), source.std(correction=0)])


def soundness_of(is_finite: bool, deviation: Tensor, source_deviation: Tensor) -> Float[Tensor, " measures"]:
    """The same measures of a picture that was seen part by part, from the standard deviations of its pixels."""
    return torch.stack([torch.tensor(float(is_finite)), deviation, source_deviation])


def find_problem(measures: Float[Tensor, " measures"]) -> str | None:
    """Fault of a decoded picture, by its `measure_soundness`; None when it is sound."""
    finite, deviation, source_deviation = measures.tolist()
    if not finite:
        return "the restored photo holds values that are not finite numbers"
    if deviation < FLAT_OUTPUT and source_deviation > VARIED_INPUT:
        return "the restored photo is flat although the input is not"
    return None
