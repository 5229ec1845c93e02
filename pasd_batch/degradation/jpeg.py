"""JPEG compression and decompression as tensor operations: colour transform, block DCT, quantization and back.

The result is a decoder's before its rounding to 8 bits, as entropy coding is lossless. Chroma is 4:2:0.
"""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from pasd_batch.degradation.batch_tensors import constant
from pasd_batch.luma import BT601

_BLOCK = 8

# Annex K of the JPEG standard (ITU-T T.81). Rows are vertical frequencies, except that the luminance table is
# transposed: the released degradation has it so, and published weights were trained on it.
_LUMINANCE = (
    (16, 12, 14, 14, 18, 24, 49, 72),
    (11, 12, 13, 17, 22, 35, 64, 92),
    (10, 14, 16, 22, 37, 55, 78, 95),
    (16, 19, 24, 29, 56, 64, 87, 98),
    (24, 26, 40, 51, 68, 81, 103, 112),
    (40, 58, 57, 87, 109, 104, 121, 100),
    (51, 60, 69, 80, 103, 113, 120, 103),
    (61, 55, 56, 62, 77, 92, 101, 99),
)
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
)
_TO_YCBCR = (BT601, (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))

SMALLEST_TABLE_FACTOR = 1e-4
"""Factor on the tables at quality 100, where the formula gives 0."""


def compress_jpeg(
    photos: Float[Tensor, "batch 3 height width"], qualities: Float[Tensor, " batch"]
) -> Float[Tensor, "batch 3 height width"]:
    """Compress sRGB pictures as JPEG at each one's quality and decode them, clamped to [0, 1].

    Qualities lie in [1, 100] and may be fractional. Input outside [0, 1] is clamped first.
    """
    height, width = photos.shape[-2:]
    padded = functional.pad(photos.clamp(0.0, 1.0), [0, -width % 16, 0, -height % 16])
    ycbcr = _mix_channels(padded * 255.0, _TO_YCBCR)
    factors = _table_factors(qualities.to(photos))
    # The standard shifts luma by 128 before the transform and chroma by +128 - 128, that is not at all.
    luma = _quantize(ycbcr[:, :1] - 128.0, _LUMINANCE, factors) + 128.0
    chroma = _quantize(functional.avg_pool2d(ycbcr[:, 1:], 2), _CHROMINANCE, factors)
    chroma = chroma.repeat_interleave(2, dim=-2).repeat_interleave(2, dim=-1)
    rgb = _mix_channels(torch.cat([luma, chroma], dim=1), _TO_RGB)
    return (rgb[..., :height, :width] / 255.0).clamp(0.0, 1.0)


def _table_factors(qualities: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    coarse = 5000.0 / qualities
    fine = 200.0 - 2.0 * qualities
    return (torch.where(qualities < 50.0, coarse, fine) / 100.0).clamp(min=SMALLEST_TABLE_FACTOR)


def _quantize(
    planes: Float[Tensor, "batch channels height width"],
    table: tuple[tuple[int, ...], ...],
    factors: Float[Tensor, " batch"],
) -> Float[Tensor, "batch channels height width"]:
    """Round the 8x8 DCT coefficients to multiples of the scaled table, halves to even, and transform back."""
    basis = _cosine_basis(planes.dtype, planes.device)
    blocks = planes.unflatten(-1, (-1, _BLOCK)).unflatten(-3, (-1, _BLOCK)).transpose(-3, -2)
    steps = constant(table, planes.dtype, planes.device) * factors.view(-1, 1, 1, 1, 1, 1)
    coefficients = (basis @ blocks @ basis.T / steps).round() * steps
    blocks = basis.T @ coefficients @ basis
    return blocks.transpose(-3, -2).flatten(-4, -3).flatten(-2, -1)


@lru_cache(maxsize=16)
def _cosine_basis(dtype: torch.dtype, device: torch.device) -> Float[Tensor, "8 8"]:
    """Orthonormal DCT-II: row u is the cosine of frequency u."""
    frequency = torch.arange(_BLOCK, dtype=torch.float64)[:, None]
    position = torch.arange(_BLOCK, dtype=torch.float64)[None, :]
    basis = torch.cos((2.0 * position + 1.0) * frequency * math.pi / (2 * _BLOCK)) * math.sqrt(2.0 / _BLOCK)
    basis[0] /= math.sqrt(2.0)
    return basis.to(device, dtype)


def _mix_channels(
    photos: Float[Tensor, "batch 3 height width"], matrix: tuple[tuple[float, ...], ...]
) -> Float[Tensor, "batch 3 height width"]:
    return torch.einsum("dc,bchw->bdhw", constant(matrix, photos.dtype, photos.device), photos)
