"""Blotches on old prints: stains of damp with a darker tide line, and patches bleached by light or chemicals."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.old_photo import BlotchSettings
from pasd_batch.training.draws import Draws, NoiseSource
from pasd_batch.training.random_fields import fractal_field

_STAIN = (0.62, 0.45, 0.22)
_PAPER = (0.96, 0.92, 0.82)
_OCTAVES = 4
_EDGE_SOFTNESS = 0.1
_TIDE_WIDTH = 0.08
_TIDE_OPACITY = 0.7


@dataclass(frozen=True)
class BlotchParameters:
    """Stains of one print: `size` relative to the short side, `coverage` of the area, `opacity` 0 (none) to 1."""

    opacity: float
    size: float
    coverage: float
    bleached: bool


def sample_blotches(settings: BlotchSettings, draws: Draws) -> BlotchParameters:
    """Draw the stains of one print; opacity 0 where it has none."""
    stained = draws.flag(settings.probability)
    opacity = draws.uniform(settings.opacity)
    return BlotchParameters(
        opacity=opacity if stained else 0.0,
        size=draws.uniform(settings.size),
        coverage=draws.uniform(settings.coverage),
        bleached=draws.flag(settings.bleach_probability),
    )


def add_blotches(
    photo: Float[Tensor, "3 height width"], parameters: BlotchParameters, noise: NoiseSource
) -> Float[Tensor, "3 height width"]:
    """Stain or bleach the print; in and out within [0, 1]."""
    if parameters.opacity == 0.0:
        return photo
    height, width = photo.shape[-2:]
    cell = parameters.size * min(height, width)
    field = fractal_field(noise, height=height, width=width, cell=cell, octaves=_OCTAVES)
    # Distance to the stain's edge, in standard deviations of the field: positive inside.
    inside = (field - _upper_quantile(field, parameters.coverage)) / field.std().clamp(min=1e-6)
    stain = torch.sigmoid(inside / _EDGE_SOFTNESS)
    if parameters.bleached:
        paper = photo.new_tensor(_PAPER).view(3, 1, 1)
        return photo + parameters.opacity * stain * (paper - photo)
    tide = torch.exp(-0.5 * (inside / _TIDE_WIDTH).square())
    absorbed = 1.0 - photo.new_tensor(_STAIN).view(3, 1, 1)
    return photo * (1.0 - parameters.opacity * (stain + _TIDE_OPACITY * tide).clamp(max=1.5) * absorbed)


def _upper_quantile(field: Float[Tensor, "height width"], share: float) -> Float[Tensor, ""]:
    """The value that this share of the field exceeds (torch.quantile refuses more than 16 million values)."""
    rank = min(max(round((1.0 - share) * field.numel()), 1), field.numel())
    return field.flatten().kthvalue(rank).values
