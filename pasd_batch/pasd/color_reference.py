"""Colour reference: transfer of another picture's palette to a restored photo, in place of its faded one.

The map is the optimal transport between two normal distributions of CIELAB colours, the Monge-Kantorovich linear map
(F. Pitie and A. Kokaram, "The linear Monge-Kantorovitch linear colour mapping for example-based colour transfer",
2007). It is the same for all pixels, so that it adds no edges.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.pasd.cielab import from_lab, to_lab

Image = Float[Tensor, "1 3 height width"]

LARGEST_GAIN = 4.0
"""Largest gain on colour differences: those of a fully faded print are noise."""

_LEAST_VARIANCE = 1e-4
"""Added to variances (squares of CIELAB's units), so that a picture of one colour has an inverse."""

_MOST_PIXELS = 1_000_000
"""Pixels that a palette is measured on."""

_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Palette:
    """Distribution of a picture's colours in CIELAB: mean and covariance of L*, a* and b*."""

    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, image: Image, opacity: Float[Tensor, "height width"] | None = None) -> "Palette":
        """Measure a picture, sRGB in [0, 1]; a large one is subsampled on a regular grid.

        Pixels are weighted by their opacity in [0, 1], if there is any.
        """
        step = math.ceil(math.sqrt(image.shape[2] * image.shape[3] / _MOST_PIXELS))
        colors = to_lab(image[..., ::step, ::step])[0].flatten(1).double()
        weights = torch.ones_like(colors[0])
        if opacity is not None and bool(opacity[::step, ::step].any()):
            weights = opacity[::step, ::step].flatten().to(weights)
        weights = weights / weights.sum()
        mean = colors @ weights
        apart = colors - mean[:, None]
        covariance = (apart * weights) @ apart.T
        return cls(tuple(mean.tolist()), tuple(tuple(row) for row in covariance.tolist()))


def with_palette(image: Image, palette: Palette) -> Image:
    """A picture, sRGB in [0, 1], with another palette; colours that sRGB does not have are not clamped."""
    own = Palette.of(image)
    gain = _transport(own, palette).to(image)
    before, after = (torch.tensor(each.mean).to(image).view(1, 3, 1, 1) for each in (own, palette))
    strips = [
        from_lab(torch.einsum("ij,bjhw->bihw", gain, to_lab(rows) - before) + after)
        for rows in image.split(_ROWS_AT_ONCE, 2)
    ]
    return torch.cat(strips, dim=2)


def _transport(own: Palette, other: Palette) -> Float[Tensor, "3 3"]:
    """T with T A T = B for the covariances A and B: A^-1/2 (A^1/2 B A^1/2)^1/2 A^-1/2, within `LARGEST_GAIN`."""
    least = _LEAST_VARIANCE * torch.eye(3, dtype=torch.float64)
    a, b = (torch.tensor(each.covariance, dtype=torch.float64) + least for each in (own, other))
    root = _power(a, 0.5)
    back = torch.linalg.inv(root)
    gain = back @ _power(root @ b @ root, 0.5) @ back
    values, vectors = torch.linalg.eigh((gain + gain.T) / 2)
    return vectors @ torch.diag(values.clamp(max=LARGEST_GAIN)) @ vectors.T


def _power(matrix: Float[Tensor, "3 3"], exponent: float) -> Float[Tensor, "3 3"]:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp(min=0.0) ** exponent) @ vectors.T
