"""Tiled resizing: any tile of a resized photo, without computing the rest.

The filter is that of `padding.resize` (torch's antialiased bicubic one, a = -1/2). Weights are computed in float64,
where torch has float32, so that results differ by about 1e-5.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.pixel_dtypes import to_float
from pasd_batch.pasd.tiling import Tile

_SUPPORT = 2.0


def resized_part(image: Tensor, size: Size, tile: Tile) -> Float[Tensor, "1 channels height width"]:
    """A tile of a picture (1, channels, height, width) in [0, 1] or in levels, as it is when resized to `size`."""
    if Size.of(image) == size:
        return to_float(tile.crop(image)).contiguous()
    top, vertical = _weights(image.shape[2], size.height, tile.top, tile.size.height)
    left, horizontal = _weights(image.shape[3], size.width, tile.left, tile.size.width)
    near = Tile(top, left, Size(vertical.shape[1], horizontal.shape[1])).crop(image)
    made = vertical.to(image.device) @ to_float(near).contiguous() @ horizontal.to(image.device).T
    return made.clamp(0.0, 1.0)


def _weights(length: int, wanted: int, start: int, count: int) -> tuple[int, Float[Tensor, "count near"]]:
    """First input pixel in the support of `count` output pixels from `start`, and the weights of pixels from there."""
    scale = length / wanted
    reach = _SUPPORT * max(scale, 1.0)
    centers = scale * (torch.arange(start, start + count, dtype=torch.float64) + 0.5)
    first = (centers - reach + 0.5).long().clamp(min=0)
    last = (centers + reach + 0.5).long().clamp(max=length)
    near = torch.arange(int(first.min()), int(last.max()))
    distances = (near + 0.5 - centers[:, None]).abs() / max(scale, 1.0)
    weights = _cubic(distances) * ((near >= first[:, None]) & (near < last[:, None]))
    return int(first.min()), (weights / weights.sum(1, keepdim=True)).float()


def _cubic(x: Tensor) -> Tensor:
    inner = (1.5 * x - 2.5) * x * x + 1.0
    outer = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return torch.where(x < 1.0, inner, torch.where(x < _SUPPORT, outer, torch.zeros_like(x)))
