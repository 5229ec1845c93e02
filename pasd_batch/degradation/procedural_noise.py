"""Value noise and fractal noise (fBm), for stains, grain and uneven brightness."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from pasd_batch.degradation.batch_tensors import to_device
from pasd_batch.degradation.draws import NoiseSource


def value_noise(
    noise: NoiseSource, *, height: int, width: int, cells: Sequence[float]
) -> Float[Tensor, "batch 1 height width"]:
    """Value noise for each of `cells`: a unit normal draw every `cell` pixels, bicubically interpolated.

    The standard deviation is below 1.
    """
    grids = [[max(2, math.ceil(side / cell) + 1) for side in (height, width)] for cell in cells]
    rows, columns = (max(sides) for sides in zip(*grids, strict=True))
    draw = _crop_and_extend(noise.normal((len(grids), 1, rows, columns)), grids)
    # Each field uses the upper left part of the common grid, stretched over the whole picture.
    shares = torch.tensor([[(own[1] - 1) / (columns - 1), (own[0] - 1) / (rows - 1)] for own in grids])
    x, y = to_device(2.0 * shares, draw.device)[:, :, None, None].unbind(dim=1)
    across = (torch.linspace(0.0, 1.0, width, device=draw.device)[None, :] * x - 1.0).expand(-1, height, -1)
    down = (torch.linspace(0.0, 1.0, height, device=draw.device)[:, None] * y - 1.0).expand(-1, -1, width)
    places = torch.stack([across, down], dim=-1)
    return functional.grid_sample(draw, places, mode="bicubic", padding_mode="border", align_corners=True)


def _crop_and_extend(
    draw: Float[Tensor, "batch 1 rows columns"], grids: Sequence[Sequence[int]]
) -> Float[Tensor, "batch 1 rows columns"]:
    """Each field's own part of the grid, continued beyond it by its border values."""
    last = to_device(torch.tensor(grids) - 1, draw.device)[..., None]
    rows = torch.minimum(torch.arange(draw.shape[2], device=draw.device), last[:, 0])
    columns = torch.minimum(torch.arange(draw.shape[3], device=draw.device), last[:, 1])
    fields = torch.arange(len(draw), device=draw.device)
    return draw[fields[:, None, None], 0, rows[:, :, None], columns[:, None, :]][:, None]


def fractal_noise(
    noise: NoiseSource, *, height: int, width: int, cells: Sequence[float], octaves: int
) -> Float[Tensor, "batch 1 height width"]:
    """Sum of `octaves` of value noise, each with half the cell size and half the amplitude of the one before."""
    fields = [
        value_noise(noise, height=height, width=width, cells=[max(1.0, cell / 2**octave) for cell in cells]) / 2**octave
        for octave in range(octaves)
    ]
    return torch.stack(fields).sum(dim=0)
