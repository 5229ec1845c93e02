"""Conditioning of the control branch on a photo, computed once per photo: it does not depend on the denoising step."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.tiling import TilePlacement
from pasd_batch.pasd.degradation_removal import DegradationRemovalModule
from pasd_batch.pasd.geometry import LATENT_FACTOR
from pasd_batch.pasd.tiled_features import Source, TensorSource
from pasd_batch.pasd.tiling import Tile, TileGrid


@torch.inference_mode()
def condition(
    module: DegradationRemovalModule, photo: Float[Tensor, "1 3 height width"], grid: TileGrid
) -> Float[Tensor, "tiles width0 tile_height tile_width"]:
    """The degradation removal module's embedding of every tile, of a photo in [0, 1] of 8 times the grid's size.

    Each tile is computed with a halo of the module's receptive field, so that its embedding is that of the whole photo
    at the memory cost of a tile. With the published placement it has no halo, as in the released code.
    """
    return EmbeddingsOnDemand(module, TensorSource(photo, photo.device), grid)[: len(grid.tiles)]


@dataclass(frozen=True)
class EmbeddingsOnDemand:
    """Embeddings of tiles, as `condition`, computed at every access.

    For large photos: embeddings are several times as large as latents, and computing them takes 1/50 of a step.
    """

    module: DegradationRemovalModule
    photo: Source
    """In [0, 1], in the module's precision."""

    grid: TileGrid

    @torch.inference_mode()
    def __getitem__(self, tiles: slice) -> Float[Tensor, "tiles width0 tile_height tile_width"]:
        """The embeddings of consecutive tiles."""
        return torch.cat([self._read_tile(tile) for tile in self.grid.tiles[tiles]])

    def _read_tile(self, tile: Tile) -> Tensor:
        halo = 0 if self.grid.placement is TilePlacement.PUBLISHED else self.module.receptive_radius
        inner = tile.scaled(LATENT_FACTOR)
        outer = inner.expanded(halo, self.photo.size)
        seen = self.module(self.photo.part(outer), with_rgbs=False)
        return Tile(tile.top - outer.top // LATENT_FACTOR, tile.left - outer.left // LATENT_FACTOR, tile.size).crop(
            seen.embedding
        )
