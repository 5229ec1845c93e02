"""Conversion between float and integer pixels; those of large photos are kept as integers, to save memory."""

import math

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


def problem_with_pixels(photo: object) -> str | None:
    """Reason that a photo cannot be restored; None if it is (3, height, width), float32 in [0, 1], uint8 or uint16."""
    if not isinstance(photo, Tensor):
        return f"expected a torch.Tensor, got {type(photo).__module__}.{type(photo).__name__}"
    if photo.ndim != 3 or photo.shape[0] != 3 or 0 in photo.shape:
        return f"expected a photo of shape (3, height, width), got {tuple(photo.shape)}"
    if photo.dtype in WHITE_LEVEL:
        return None
    if photo.dtype != torch.float32:
        return f"expected float32 values in [0, 1], uint8 or uint16, got {photo.dtype}"
    low, high = (float(each) for each in torch.aminmax(photo))
    # Where a value is NaN, both are.
    if not (math.isfinite(low) and math.isfinite(high)):
        return "the photo holds values that are not finite numbers"
    if low < 0.0 or high > 1.0:
        return f"expected values in [0, 1], got {low:.3g} to {high:.3g}"
    return None
