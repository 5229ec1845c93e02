"""Pixels as integers, of which a large photo's take a quarter or half of the memory that floats do."""

import torch
from torch import Tensor

WHITE_LEVEL = {torch.uint8: 255.0, torch.uint16: 65535.0}
"""Level that stands for 1, by the type of integers."""


def to_float(image: Tensor) -> Tensor:
    """Integers as float32 in [0, 1]; floats as they are."""
    largest = WHITE_LEVEL.get(image.dtype)
    return image if largest is None else image.to(torch.float32) / largest


def from_float(image: Tensor, dtype: torch.dtype) -> Tensor:
    """Floats in [0, 1] as the nearest levels of a type of integers; as they are where it is float32."""
    largest = WHITE_LEVEL.get(dtype)
    return image if largest is None else (image * largest).round().to(dtype)
