"""CIELAB (D65, 2 degree observer) from sRGB and back."""

import torch
from jaxtyping import Float
from torch import Tensor

Image = Float[Tensor, "batch 3 height width"]

_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
"""Linear sRGB to XYZ (IEC 61966-2-1), white at Y = 1."""

_LINEAR_BELOW, _SLOPE = 0.04045, 12.92
_DELTA = 6.0 / 29.0


def to_lab(image: Image) -> Image:
    """sRGB in [0, 1] to L* (0 to 100), a* and b*."""
    curved = ((image.clamp(min=_LINEAR_BELOW) + 0.055) / 1.055) ** 2.4
    linear = torch.where(image > _LINEAR_BELOW, curved, image / _SLOPE)
    # Relative to what white gives, so that greys have no colour.
    x, y, z = _mixed(linear, _relative_to_white(image)).unbind(1)
    x, y, z = (_compressed(each) for each in (x, y, z))
    return torch.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], dim=1)


def from_lab(lab: Image) -> Image:
    """L*, a* and b* to sRGB; colours that sRGB does not have are below 0 or above 1."""
    y = (lab[:, 0] + 16.0) / 116.0
    xyz = torch.stack([_expanded(each) for each in (y + lab[:, 1] / 500.0, y, y - lab[:, 2] / 200.0)], dim=1)
    linear = _mixed(xyz, torch.linalg.inv(_relative_to_white(lab.double())).to(lab.dtype))
    curved = 1.055 * linear.clamp(min=_LINEAR_BELOW / _SLOPE) ** (1.0 / 2.4) - 0.055
    return torch.where(linear > _LINEAR_BELOW / _SLOPE, curved, linear * _SLOPE)


def _relative_to_white(like: Tensor) -> Float[Tensor, "3 3"]:
    matrix = torch.tensor(_TO_XYZ, dtype=torch.float64)
    return (matrix / matrix.sum(dim=1, keepdim=True)).to(like)


def _mixed(image: Image, matrix: Float[Tensor, "3 3"]) -> Image:
    return torch.einsum("ij,bjhw->bihw", matrix, image)


def _compressed(ratio: Tensor) -> Tensor:
    return torch.where(
        ratio > _DELTA**3, ratio.clamp(min=_DELTA**3) ** (1.0 / 3.0), ratio / (3.0 * _DELTA**2) + 4.0 / 29.0
    )


def _expanded(value: Tensor) -> Tensor:
    return torch.where(value > _DELTA, value**3, 3.0 * _DELTA**2 * (value - 4.0 / 29.0))
