"""The VAE on photos of any size in bounded accelerator memory, equal to the plain VAE.

Two things make a VAE's tiles differ from the whole: its group normalisations, whose statistics span the photo, and
the attention in its middle block. Here the middle block always sees the whole photo (it works at 1/8 size, where
memory is small), and the convolutional levels go tile by tile, each tile with the surroundings that can influence it.
Every normalisation is first measured over all tiles, in the order of computation, so that the statistics are exactly
those of the whole photo. That costs about four times the arithmetic of the plain VAE. Between levels the features
of the whole photo wait in main memory (at most 64 numbers a photo pixel for Stable Diffusion's VAE).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Any, cast

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor, nn

from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
from pasd_batch.pasd.group_statistics import PooledStatistics, StatisticsSeen, TileView
from pasd_batch.pasd.tiling import Tile


@dataclass(frozen=True)
class Posterior:
    """The VAE encoder's gaussian over latents, unscaled."""

    mean: Float[Tensor, "batch channels height width"]
    std: Float[Tensor, "batch channels height width"]

    def sample(self, noise: Tensor, scaling_factor: float) -> Float[Tensor, "batch channels height width"]:
        """Latents for a standard normal draw, in the scale of the denoiser."""
        return scaling_factor * (self.mean + self.std * noise)


@torch.inference_mode()
def encode(vae: AutoencoderKL, image: Float[Tensor, "batch 3 height width"], *, tile_size: int) -> Posterior:
    """Encode photos in [-1, 1] whose sides are multiples of 8; in tiles above `tile_size`^2 latent pixels.

    Raises:
        ValueError: the VAE has attention in its convolutional levels.
    """
    encoder = vae.encoder
    tiles = _partition(Size(image.shape[2] // LATENT_FACTOR, image.shape[3] // LATENT_FACTOR), tile_size)
    hidden = image
    for stage in _encoder_stages(vae):
        hidden = stage.run(hidden, tiles, image.device)
    hidden = encoder.mid_block(hidden.to(image.device))
    hidden = encoder.conv_out(encoder.conv_act(encoder.conv_norm_out(hidden)))
    moments = hidden if vae.quant_conv is None else vae.quant_conv(hidden)
    mean, logvar = moments.chunk(2, dim=1)
    # The bounds are those of diffusers' DiagonalGaussianDistribution.
    return Posterior(mean, torch.exp(0.5 * logvar.clamp(-30.0, 20.0)))


@torch.inference_mode()
def decode(
    vae: AutoencoderKL, latents: Float[Tensor, "batch channels height width"], *, tile_size: int
) -> Float[Tensor, "batch 3 8*height 8*width"]:
    """Decode unscaled latents to photos in about [-1, 1], not clamped; in tiles above `tile_size`^2 latent pixels.

    Raises:
        ValueError: the VAE has attention in its convolutional levels.
    """
    tiles = _partition(Size.of(latents), tile_size)
    hidden = latents if vae.post_quant_conv is None else vae.post_quant_conv(latents)
    hidden = vae.decoder.mid_block(vae.decoder.conv_in(hidden))
    for stage in _decoder_stages(vae):
        hidden = stage.run(hidden, tiles, latents.device)
    return hidden


@dataclass(frozen=True)
class _Stage:
    """A run of convolutional layers between two places where the whole picture's features are kept."""

    layers: tuple[Callable[[Tensor], Tensor], ...]
    norms: tuple[nn.GroupNorm, ...]
    """The normalisations in the layers, in the order of computation."""

    halo: int
    """Reach of the layers, in pixels of their input; even, so that stride 2 stays in step."""

    factor_in: int
    """Input pixels per latent pixel."""

    factor_out: int

    def run(self, source: Tensor, tiles: Sequence[Tile], device: torch.device) -> Tensor:
        """Apply the layers to a whole picture, tile by tile if there are several."""
        if len(tiles) == 1:
            return self._apply(source)
        statistics = PooledStatistics()
        with statistics.over(self.norms):
            for norm in self.norms:
                statistics.watched = norm
                for tile in tiles:
                    self._measure(statistics, tile, source, device)
                statistics.pool()
            return self._assemble(statistics, tiles, source, device)

    def _measure(self, statistics: PooledStatistics, tile: Tile, source: Tensor, device: torch.device) -> None:
        piece = self._enter(statistics, tile, source, device)
        try:
            self._apply(piece)
        except StatisticsSeen:
            return

    def _assemble(
        self, statistics: PooledStatistics, tiles: Sequence[Tile], source: Tensor, device: torch.device
    ) -> Tensor:
        whole = torch.empty(0)
        for number, tile in enumerate(tiles):
            features = self._apply(self._enter(statistics, tile, source, device))
            assert statistics.view is not None
            if number == 0:
                size = Size.of(source)
                sides = (side // self.factor_in * self.factor_out for side in (size.height, size.width))
                # Main memory holds what the accelerator need not.
                whole = torch.empty(*features.shape[:2], *sides, dtype=features.dtype)
            tile.crop(whole, self.factor_out).copy_(statistics.view.inner_part(features))
        return whole

    def _enter(self, statistics: PooledStatistics, tile: Tile, source: Tensor, device: torch.device) -> Tensor:
        """Cut a tile with its surroundings out of the picture and note where it lies."""
        size = Size.of(source)
        top, left = tile.top * self.factor_in, tile.left * self.factor_in
        height, width = tile.size.height * self.factor_in, tile.size.width * self.factor_in
        above, before = max(0, top - self.halo), max(0, left - self.halo)
        below, behind = min(size.height, top + height + self.halo), min(size.width, left + width + self.halo)
        outer = Size(below - above, behind - before)
        statistics.view = TileView(Tile(top - above, left - before, Size(height, width)), outer)
        return Tile(above, before, outer).crop(source).to(device)

    def _apply(self, features: Tensor) -> Tensor:
        for layer in self.layers:
            features = layer(features)
        return features


def _encoder_stages(vae: AutoencoderKL) -> list[_Stage]:
    """One stage a level: its residual blocks and its downsampler; the first has the input convolution too."""
    stages = []
    factor = LATENT_FACTOR
    for level, block in enumerate(cast(Iterable[Any], vae.encoder.down_blocks)):
        _refuse_attention(block)
        layers: list[nn.Module] = [vae.encoder.conv_in] if level == 0 else []
        samplers = list(block.downsamplers or [])
        layers += [*block.resnets, *samplers]
        stages.append(_stage(layers, len(block.resnets), factor, factor // 2 if samplers else factor))
        factor = stages[-1].factor_out
    return stages


def _decoder_stages(vae: AutoencoderKL) -> list[_Stage]:
    """One stage a level: the upsampler before it and its residual blocks; the last has the output convolution too.

    Features are kept before they are upsampled, where they are four times smaller.
    """
    stages = []
    factor = 1
    samplers: list[nn.Module] = []
    decoder = vae.decoder
    for level, block in enumerate(cast(Iterable[Any], decoder.up_blocks)):
        _refuse_attention(block)
        layers = [*samplers, *block.resnets]
        if level == len(decoder.up_blocks) - 1:
            layers += [decoder.conv_norm_out, decoder.conv_act, decoder.conv_out]
        stages.append(_stage(layers, len(block.resnets), factor, factor * 2 if samplers else factor))
        factor = stages[-1].factor_out
        samplers = list(block.upsamplers or [])
    return stages


def _stage(layers: Sequence[nn.Module], resnets: int, factor_in: int, factor_out: int) -> _Stage:
    norms = tuple(part for layer in layers for part in layer.modules() if isinstance(part, nn.GroupNorm))
    # Two 3x3 convolutions a residual block, one at the input or output, and two pixels for a change of resolution.
    halo = 2 * resnets + 4
    calls = tuple(_call(layer) for layer in layers)
    return _Stage(calls, norms, halo, factor_in, factor_out)


def _refuse_attention(block: nn.Module) -> None:
    if any(isinstance(part, Attention) for part in block.modules()):
        raise ValueError(
            "this VAE has attention outside its middle block; use Stable Diffusion 1.5's VAE, which has not"
        )


def _call(layer: nn.Module) -> Callable[[Tensor], Tensor]:
    """The layer as a function of features alone."""
    if hasattr(layer, "time_emb_proj"):
        # diffusers' residual blocks take a time embedding, which a VAE has not.
        return lambda features: layer(features, None)
    if isinstance(layer, nn.Conv2d):
        # The last layer may run in another precision than those before it.
        return lambda features: layer(features.to(layer.weight.dtype))
    return layer


def is_one_tile(size: Size, tile_size: int) -> bool:
    """True if latents of this size are taken whole."""
    return size.area <= tile_size**2


def _partition(size: Size, tile_size: int) -> list[Tile]:
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
