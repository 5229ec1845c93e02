"""Conversion between float and integer pixels; those of large photos are kept as integers, to save memory."""

import torch
from torch import Tensor

WHITE_LEVEL = {torch.uint8: 255.0, torch.uint16: 65535.0}
"""Integer that stands for 1.0, by data type."""


def to_float(image: Tensor) -> Tensor:
    """Integer pixels as float32 in [0, 1]; float pixels unchanged."""
    largest = WHITE_LEVEL.get(image.dtype)
    return image if largest is None else image.to(torch.float32) / largest


def from_float(image: Tensor, dtype: torch.dtype) -> Tensor:
    """Float pixels in [0, 1] rounded to an integer type; unchanged if `dtype` is float32."""
    largest = WHITE_LEVEL.get(dtype)
    return image if largest is None else (image * largest).round().to(dtype)
