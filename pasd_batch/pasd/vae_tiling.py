"""The VAE on photos of any size in bounded memory, equal to the plain VAE.

Two layers of a VAE are not local: group normalisation, whose statistics span the photo, and the attention of the middle
block. Here the middle block runs on the whole photo if it has attention or the photo is not large (it works at 1/8
size, with little memory), and the convolutional levels run tile by tile, each tile with a halo of its receptive field.
Every normalisation is first measured over all tiles, in the order of computation, so that its statistics are exactly
those of the whole photo; this costs about four times the arithmetic of the plain VAE. Between levels the features of
the whole photo are cached in main memory up to `KEPT_BYTES` (at most 64 numbers per photo pixel with Stable Diffusion's
VAE); above, a level starts from the last cached features, which costs up to three times as much again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor

from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
from pasd_batch.pasd.memory import WHOLE_PIXELS
from pasd_batch.pasd.tiled_features import PrecisionContext, Source, TensorSource, TiledFeatures
from pasd_batch.pasd.tiled_group_norm import PooledStatistics
from pasd_batch.pasd.tiling import Tile
from pasd_batch.pasd.vae_stages import Stage, decoder_stages, encoder_stages

KEPT_BYTES = 2 << 30
"""Most main memory for cached features of a whole photo between two levels."""


@dataclass(frozen=True)
class Posterior:
    """The VAE encoder's gaussian over latents, unscaled."""

    mean: Float[Tensor, "batch channels height width"]
    std: Float[Tensor, "batch channels height width"]

    @classmethod
    def of(cls, moments: Float[Tensor, "batch _moments height width"]) -> "Posterior":
        """The gaussian of mean and logarithm of variance, as the encoder gives them."""
        mean, logvar = moments.chunk(2, dim=1)
        # The bounds are those of diffusers' DiagonalGaussianDistribution.
        return cls(mean, torch.exp(0.5 * logvar.clamp(-30.0, 20.0)))

    def sample(self, noise: Tensor, scaling_factor: float) -> Float[Tensor, "batch channels height width"]:
        """Latents for a standard normal draw, in the scale of the denoiser."""
        return scaling_factor * (self.mean + self.std * noise)


def encode(vae: AutoencoderKL, image: Float[Tensor, "batch 3 height width"], *, tile_size: int) -> Posterior:
    """Encode photos in [-1, 1] whose sides are multiples of 8; in tiles above `tile_size`^2 latent pixels.

    Raises:
        ValueError: the VAE has attention in its convolutional levels.
    """
    with encoding(vae, TensorSource(image, image.device), tile_size=tile_size) as moments:
        return Posterior.of(moments.whole())


def decode(
    vae: AutoencoderKL, latents: Float[Tensor, "batch channels height width"], *, tile_size: int
) -> Float[Tensor, "batch 3 8*height 8*width"]:
    """Decode unscaled latents to photos in about [-1, 1], not clamped; in tiles above `tile_size`^2 latent pixels.

    Raises:
        ValueError: the VAE has attention in its convolutional levels.
    """
    with decoding(vae, TensorSource(latents, latents.device), tile_size=tile_size) as pixels:
        return pixels.whole()


@contextmanager
def encoding(
    vae: AutoencoderKL, photo: Source, *, tile_size: int, precision: PrecisionContext = nullcontext
) -> Iterator[TiledFeatures]:
    """Moments of a photo's posterior, as `encode`, tile by tile within the context."""
    latents = Size(photo.size.height // LATENT_FACTOR, photo.size.width // LATENT_FACTOR)
    stages = encoder_stages(vae, middle_is_whole=not _is_large(latents))
    with _through(vae, stages, photo, latents, tile_size, precision) as moments:
        yield moments


@contextmanager
def decoding(
    vae: AutoencoderKL, latents: Source, *, tile_size: int, precision: PrecisionContext = nullcontext
) -> Iterator[TiledFeatures]:
    """Decoded pixels, as `decode`, tile by tile within the context."""
    stages = decoder_stages(vae, middle_is_whole=not _is_large(latents.size))
    with _through(vae, stages, latents, latents.size, tile_size, precision) as pixels:
        yield pixels


@contextmanager
def _through(
    vae: AutoencoderKL,
    stages: Sequence[Stage],
    source: Source,
    latents: Size,
    tile_size: int,
    precision: PrecisionContext,
) -> Iterator[TiledFeatures]:
    """Features after all stages, with measured statistics and cached features between levels."""
    tiles = partition(latents, tile_size)
    statistics = PooledStatistics() if len(tiles) > 1 else None
    norms = [norm for stage in stages if not stage.is_whole for norm in stage.norms]
    made = TiledFeatures(source, stages[0].factor_in, tiles, None, statistics, precision)
    with nullcontext() if statistics is None else statistics.over(norms):
        for number, stage in enumerate(stages):
            if statistics is None:
                made = made.then(stage)
            elif stage.is_whole:
                made = made.cached(_on_device(vae, stage, made.whole(), precision), vae.device)
            else:
                made = made.then(stage)
                for norm in stage.norms:
                    made.measure(norm)
                nbytes = stage.channels * latents.area * stage.factor_out**2 * vae.dtype.itemsize
                if number < len(stages) - 1 and nbytes <= KEPT_BYTES:
                    made = made.cached(made.whole(), vae.device)
        yield made


@torch.inference_mode()
def _on_device(vae: AutoencoderKL, stage: Stage, features: Tensor, precision: PrecisionContext) -> Tensor:
    with precision():
        return stage.apply(features.to(vae.device))


def _is_large(latents: Size) -> bool:
    return latents.area * LATENT_FACTOR**2 > WHOLE_PIXELS


def is_one_tile(size: Size, tile_size: int) -> bool:
    """True if latents of this size are one tile."""
    return size.area <= tile_size**2


def partition(size: Size, tile_size: int) -> list[Tile]:
    """Disjoint tiles of at most `tile_size` a side that cover a size, or one tile if its area is small enough."""
    if is_one_tile(size, tile_size):
        return [Tile(0, 0, size)]
    return [
        Tile(top, left, Size(bottom - top, right - left))
        for top, bottom in pairwise(_cuts(size.height, tile_size))
        for left, right in pairwise(_cuts(size.width, tile_size))
    ]


def _cuts(length: int, limit: int) -> list[int]:
    count = ceil(length / limit)
    return [round(index * length / count) for index in range(count + 1)]
