"""Principal components of samples."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Projection:
    """A linear map to principal components: rows @ (x - mean)."""

    rows: Float[Tensor, "kept dimensions"]
    mean: Float[Tensor, " dimensions"]
    deviations: Float[Tensor, " kept"]
    """Standard deviation along each row."""


def principal_components(samples: Float[Tensor, "samples dimensions"], kept: int) -> Projection:
    """The directions of largest variance, the largest first; fewer where there are fewer dimensions."""
    samples = samples.double()
    mean = samples.mean(dim=0)
    variances, directions = torch.linalg.eigh(torch.cov(samples.T))
    order = variances.argsort(descending=True)[:kept]
    deviations = variances[order].clamp(min=1e-12).sqrt()
    return Projection(directions[:, order].T.contiguous(), mean, deviations)


def pixel_samples(features: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "samples channels"]:
    """Every pixel as a sample."""
    return features.permute(0, 2, 3, 1).flatten(0, 2)
