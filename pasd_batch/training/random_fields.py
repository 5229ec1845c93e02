"""Smooth random fields, from which stains, grain and uneven brightness are made."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from pasd_batch.training.draws import NoiseSource


def slow_field(noise: NoiseSource, *, height: int, width: int, cell: float) -> Float[Tensor, "height width"]:
    """Normal draws, one for each cell of `cell` pixels, interpolated smoothly; standard deviation below 1."""
    rows, columns = (max(2, math.ceil(side / cell) + 1) for side in (height, width))
    draw = noise.normal((1, 1, rows, columns))
    field = functional.interpolate(draw, size=(height, width), mode="bicubic", align_corners=True)
    return field[0, 0]


def fractal_field(
    noise: NoiseSource, *, height: int, width: int, cell: float, octaves: int
) -> Float[Tensor, "height width"]:
    """Sum of slow fields, each with half the cell and half the amplitude of the one before."""
    fields = [
        slow_field(noise, height=height, width=width, cell=max(1.0, cell / 2**octave)) / 2**octave
        for octave in range(octaves)
    ]
    return torch.stack(fields).sum(dim=0)
