"""Main memory that restoring one photo takes beside the models, told from its size, the settings and its manifest row.

`benchmarks/huge_photo.py` measures it; docs/performance.md has what came out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.manifests.workload import Beside
from pasd_batch.photos.compact import MOST_FLOATS

if TYPE_CHECKING:
    from pasd_batch.pasd.padding import PhotoSizes

_FLOATS, _LEVELS = 12, 3
"""Bytes of a pixel in float32, and in 8 bits; a photo of more bits, or of other colours, takes twice the latter."""

_MAP = 4
"""Bytes of a pixel of a mask."""

_DECODING = 24
"""Bytes that decoding takes for a pixel of an ordinary photo (`photos/decoding_memory.py`)."""

_WHOLE_COPIES = 14
"""Pictures in float32 that there are at once of a photo that is worked on as a whole."""

_TILES = 500_000_000
"""For what is made of tiles, and for what the allocators keep."""

_COMPRESSED = 0.7
"""A lossless file's part of its pixels; there are two of it for a moment."""


@dataclass(frozen=True)
class ModelShape:
    """VAE and networks, as far as memory and time go."""

    channels: int
    """Of the latents."""
    kept: tuple[int, ...]
    """Bytes that features of the whole photo take for a pixel of it, behind each level, in float32."""
    attention: int = 0
    """Bytes of a pixel that attention over the whole photo takes in the middle block; on a GPU, of its memory."""
    width: int = 0
    """Channels of the networks' outermost layers and of the embeddings; the step cache keeps features of them."""
    outermost: float = 0.0
    """Share of an evaluation that these layers are (docs/few_steps.md)."""


EMBEDDED = ModelShape(64, (0,), width=160, outermost=0.4)
STABLE_DIFFUSION = ModelShape(4, (32, 32, 128, 256), attention=192, width=320, outermost=0.09)

_ALONE = Beside()


def restoring_bytes(
    sizes: PhotoSizes, sampling: SamplingSettings, shape: ModelShape, *, tiled_latents: int = 0, beside: Beside = _ALONE
) -> int:
    """The most bytes at once from the photo's file to its result's, for one pass with these sizes.

    Not told by a manifest, and not in it: transparency, more bits than 8, and the size of a colour reference, which is
    taken to be the photo's.

    Args:
        sizes: the photo's.
        sampling: settings of the pass.
        shape: shape of its model.
        tiled_latents: latents of all tiles together, overlaps counted as often as they are there.
        beside: pictures that the photo has beside it.
    """
    from pasd_batch.pasd.padded_photo import is_large

    area, has_parts = sizes.padded.area, beside.mask or bool(sampling.regions)
    compact = max(sizes.original.area, sizes.target.area) > MOST_FLOATS
    held = _LEVELS if compact else _FLOATS
    latents = area / 64 * shape.channels * 4
    result = sizes.target.area * held
    # One step: the latents and the noise that is predicted. Several: what schedulers remember of the steps before, too.
    denoising = latents * (1 if sampling.steps == 1 else 4) + _noise(latents) + _embeddings(sizes, shape)
    if sampling.step_cache > 1:
        denoising += tiled_latents * shape.width * 4 * (2 if sampling.guidance_scale > 1 else 1)
    by_parts = is_large(sizes) and not has_parts and not beside.color_reference
    pictures = result if by_parts else _WHOLE_COPIES * _FLOATS * area
    working = latents + max(_kept_features(area, shape), area * shape.attention) + pictures
    photo = sizes.original.area * (held + (_FLOATS if has_parts else 0) + (2 * _MAP if beside.mask else 0))
    # The true photo, and the first result while a photo with weak tiles is done again.
    all_the_time = photo + result * (beside.reference + sampling.retry_weak.enabled)
    most = max(denoising, working, _storing(sizes.target.area, compact=compact))
    return round(max(_decoding(sizes, beside), all_the_time + most) + _TILES)


def _storing(area: int, *, compact: bool) -> float:
    """The result, another copy of it where floats are clipped, the samples of the file, and the file."""
    samples = area * _LEVELS
    return (samples if compact else 2 * area * _FLOATS + samples) + 2 * _COMPRESSED * samples


def _decoding(sizes: PhotoSizes, beside: Beside) -> int:
    """The most that decoding takes, one picture after the other; a true photo is taken to be of the result's size."""
    pictures = [sizes.original.area]
    pictures += [sizes.target.area] if beside.reference else []
    pictures += [sizes.original.area] if beside.mask else []
    return max(_FLOATS * sum(pictures[:number]) + _DECODING * area for number, area in enumerate(pictures))


def _noise(latents: float) -> float:
    """Noise drawn or predicted for so many bytes of latents."""
    from pasd_batch.pasd.memory import FULL_PRECISION_NOISE

    return latents if latents / 4 <= FULL_PRECISION_NOISE else latents / 2


def _embeddings(sizes: PhotoSizes, shape: ModelShape) -> int:
    """Two rows of blocks of the degradation removal module's embedding, or all of it."""
    from pasd_batch.pasd.conditioning import EMBEDDED_BLOCK
    from pasd_batch.pasd.geometry import LATENT_FACTOR

    height, width = (side // LATENT_FACTOR for side in (sizes.padded.height, sizes.padded.width))
    return min(height, 2 * EMBEDDED_BLOCK) * width * shape.width * 4


def _kept_features(area: int, shape: ModelShape) -> int:
    """The most that is kept between two levels of the VAE, of the one that is read and the one that is written."""
    from pasd_batch.pasd.vae_tiling import KEPT_BYTES

    behind = [0, *(each * area if each * area <= KEPT_BYTES else 0 for each in shape.kept)]
    return max(before + made for before, made in pairwise(behind))
