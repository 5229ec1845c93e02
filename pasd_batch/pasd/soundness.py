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


def measure_soundness(
    decoded: Float[Tensor, "1 3 height width"], source: Float[Tensor, "1 3 height width"]
) -> Float[Tensor, " measures"]:
    """Measures that `find_problem` judges by, made where the pictures are, without waiting for them.

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
