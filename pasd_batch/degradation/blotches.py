"""Blotches on old prints: stains of damp with a darker tide line, and patches bleached by light or chemicals."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.old_photo import BlotchSettings
from pasd_batch.degradation.batch_tensors import constant, index_tensor, per_photo, photo_mask
from pasd_batch.degradation.draws import Draws, NoiseSource
from pasd_batch.degradation.procedural_noise import fractal_noise
from pasd_batch.degradation.strength import contract

_SIZE = (0.08, 0.35)
"""Size of a blotch, fraction of the short side."""

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


def sample_blotches(settings: BlotchSettings, draws: Draws, *, strength: float = 1.0) -> BlotchParameters:
    """Draw the stains of one print; opacity 0 where it has none."""
    stained = draws.bernoulli(settings.probability)
    opacity = draws.uniform(contract(settings.opacity, strength=strength))
    return BlotchParameters(
        opacity=opacity if stained else 0.0,
        size=draws.uniform(_SIZE),
        coverage=draws.uniform(settings.coverage),
        bleached=draws.bernoulli(settings.bleach_probability),
    )


def add_blotches(
    photos: Float[Tensor, "batch 3 height width"], parameters: Sequence[BlotchParameters], noise: NoiseSource
) -> Float[Tensor, "batch 3 height width"]:
    """Stain or bleach the prints; in and out within [0, 1]."""
    if not any(each.opacity for each in parameters):
        return photos
    height, width = photos.shape[-2:]
    cells = [each.size * min(height, width) for each in parameters]
    fields = fractal_noise(noise, height=height, width=width, cells=cells, octaves=_OCTAVES)
    edges = _upper_quantiles(fields, [each.coverage for each in parameters])
    # Distance to the stain's edge, in standard deviations of the field: positive inside.
    inside = (fields - edges) / fields.std(dim=(-2, -1), keepdim=True).clamp(min=1e-6)
    opacity = per_photo([each.opacity for each in parameters], photos)
    stain = torch.sigmoid(inside / _EDGE_SOFTNESS)
    tide = torch.exp(-0.5 * (inside / _TIDE_WIDTH).square())
    paper, brown = (constant(color, photos.dtype, photos.device).view(1, 3, 1, 1) for color in (_PAPER, _STAIN))
    bleached = photos + opacity * stain * (paper - photos)
    stained = photos * (1.0 - opacity * (stain + _TIDE_OPACITY * tide).clamp(max=1.5) * (1.0 - brown))
    return torch.where(photo_mask([each.bleached for each in parameters], photos), bleached, stained)


def _upper_quantiles(fields: Tensor, shares: Sequence[float]) -> Float[Tensor, "batch 1 1 1"]:
    """The (1 - share) quantile of each field (`torch.quantile` refuses more than 16 million values)."""
    values = fields.flatten(1).sort(dim=1).values
    count = values.shape[1]
    ranks = [min(max(round((1.0 - share) * count), 1), count) - 1 for share in shares]
    return values.gather(1, index_tensor(ranks, values)[:, None])[..., None, None]
