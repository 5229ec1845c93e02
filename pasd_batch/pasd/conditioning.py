"""Conditioning of the control branch on a photo, computed once per photo: it does not depend on the denoising step."""

from dataclasses import dataclass
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.tiling import TilePlacement
from pasd_batch.pasd.degradation_removal import AnyDegradationRemoval
from pasd_batch.pasd.geometry import LATENT_FACTOR
from pasd_batch.pasd.tiled_features import Source, TensorSource
from pasd_batch.pasd.tiling import Tile, TileGrid
from pasd_batch.pasd.vae_tiling import partition

_BLOCK = 128
"""Largest side, in latent pixels, that the module is run on at once."""


@torch.inference_mode()
def condition(
    module: AnyDegradationRemoval, photo: Float[Tensor, "1 3 height width"], grid: TileGrid
) -> Float[Tensor, "tiles width0 tile_height tile_width"]:
    """The degradation removal module's embedding of every tile, of a photo in [0, 1] of 8 times the grid's size.

    Tiles are cut out of the whole photo's embedding, which is computed in blocks with the module's halo. With the
    published placement each tile is computed by itself without a halo, as in the released code.
    """
    source = TensorSource(photo, photo.device)
    if grid.placement is TilePlacement.PUBLISHED:
        return EmbeddingsOnDemand(module, source, grid)[: len(grid.tiles)]
    blocks = partition(grid.size, _BLOCK)
    whole = torch.cat(
        [
            torch.cat([embed(module, source, block, halo=module.halo) for block in row], dim=3)
            for _, row in groupby(blocks, key=lambda block: block.top)
        ],
        dim=2,
    )
    return torch.cat([tile.crop(whole) for tile in grid.tiles])


def embed(
    module: AnyDegradationRemoval, photo: Source, tile: Tile, *, halo: int
) -> Float[Tensor, "1 width0 tile_height tile_width"]:
    """The embedding of a tile (latent pixels), computed with a halo of photo pixels around it."""
    outer = tile.scaled(LATENT_FACTOR).expanded(halo, photo.size)
    embedding = module(photo.part(outer), with_rgbs=False).embedding
    return Tile(tile.top - outer.top // LATENT_FACTOR, tile.left - outer.left // LATENT_FACTOR, tile.size).crop(
        embedding
    )


@dataclass(frozen=True)
class EmbeddingsOnDemand:
    """Embeddings of tiles, as `condition`, computed at every access.

    For large photos: embeddings are several times as large as latents, and with the published module computing them
    takes 1/50 of a step.
    """

    module: AnyDegradationRemoval
    photo: Source
    """In [0, 1], in the module's precision."""

    grid: TileGrid

    @torch.inference_mode()
    def __getitem__(self, tiles: slice) -> Float[Tensor, "tiles width0 tile_height tile_width"]:
        """The embeddings of consecutive tiles."""
        halo = 0 if self.grid.placement is TilePlacement.PUBLISHED else self.module.halo
        return torch.cat([embed(self.module, self.photo, tile, halo=halo) for tile in self.grid.tiles[tiles]])
