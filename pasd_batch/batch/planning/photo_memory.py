"""Main memory that restoring one photo takes beside the models, told from its size and the settings alone.

`benchmarks/huge_photo.py` measures it; docs/performance.md has what came out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.photos.compact import MOST_FLOATS

if TYPE_CHECKING:
    from pasd_batch.pasd.padding import PhotoSizes

_FLOATS, _LEVELS = 12, 3
"""Bytes of a pixel in float32, and in 8 bits; a photo of more bits, or of other colours, takes twice the latter."""

_DECODING = 24
"""Bytes that decoding takes for a pixel of an ordinary photo (`photos/decoding_memory.py`)."""

_WHOLE_COPIES = 14
"""Pictures in float32 that there are at once of a photo that is worked on as a whole."""

_TILES = 500_000_000
"""For what is made of tiles, and for what the allocators keep."""

_COMPRESSED = 0.7
"""A lossless file's part of its pixels; there are two of it for a moment."""


@dataclass(frozen=True)
class LatentSpace:
    """A VAE, as far as memory goes."""

    channels: int
    kept: tuple[int, ...]
    """Bytes that features of the whole photo take for a pixel of it, behind each level, in float32."""
    attention: int = 0
    """Bytes of a pixel that attention over the whole photo takes in the middle block; on a GPU, of its memory."""


EMBEDDED = LatentSpace(48, (8, 8, 16, 24))
STABLE_DIFFUSION = LatentSpace(4, (32, 32, 128, 256), attention=192)


def restoring_bytes(sizes: PhotoSizes, sampling: SamplingSettings, space: LatentSpace) -> int:
    """The most bytes at once from the photo's file to its result's, for one pass with these sizes."""
    from pasd_batch.pasd.padded_photo import is_large

    pixels, area = sizes.original.area, sizes.padded.area
    compact = max(pixels, sizes.target.area) > MOST_FLOATS
    held = _LEVELS if compact else _FLOATS
    latents = area / 64 * space.channels * 4
    # One step: the latents and the noise that is predicted. Several: what schedulers remember of the steps before, too.
    denoising = latents * (2 if sampling.steps == 1 else 5)
    result = sizes.target.area * held
    # Another copy where floats are clipped, and the samples of the file.
    storing = result + (0 if compact else result + sizes.target.area * _LEVELS)
    storing += 2 * _COMPRESSED * sizes.target.area * _LEVELS
    features = max(_kept_features(area, space), area * space.attention)
    working = latents + features + (result if is_large(sizes) else _WHOLE_COPIES * _FLOATS * area)
    return round(max(_DECODING * pixels, held * pixels + max(denoising, working, storing)) + _TILES)


def _kept_features(area: int, space: LatentSpace) -> int:
    """The most that is kept between two levels of the VAE, of the one that is read and the one that is written."""
    from pasd_batch.pasd.vae_tiling import KEPT_BYTES

    behind = [0, *(each * area if each * area <= KEPT_BYTES else 0 for each in space.kept)]
    return max(before + made for before, made in pairwise(behind))
