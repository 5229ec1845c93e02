"""Conditioning of the control branch on a photo, computed once per photo: it does not depend on the denoising step."""

from dataclasses import dataclass, field
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

EMBEDDED_BLOCK = 128
"""Largest side, in latent pixels, that the module is run on at once."""


@torch.inference_mode()
def condition(
    module: AnyDegradationRemoval, photo: Float[Tensor, "1 3 height width"], grid: TileGrid
) -> Float[Tensor, "tiles width0 tile_height tile_width"]:
    """The degradation removal module's embedding of every tile, of a photo in [0, 1] of 8 times the grid's size."""
    return EmbeddingsOnDemand(module, TensorSource(photo, photo.device), grid)[: len(grid.tiles)]


@dataclass(frozen=True)
class EmbeddingsOnDemand:
    """Embeddings of tiles, as `condition`, computed at every access: of large photos they are never all there.

    Tiles are cut out of the whole photo's embedding, which is computed in blocks with the module's halo; the rows of
    blocks that tiles in order still need are kept. With the published placement each tile is computed by itself
    without a halo, as in the released code.
    """

    module: AnyDegradationRemoval
    photo: Source
    """In [0, 1], in the module's precision."""

    grid: TileGrid
    _rows: dict[int, Tensor] = field(default_factory=dict, repr=False)
    """Rows of blocks by their top."""

    @torch.inference_mode()
    def __getitem__(self, tiles: slice) -> Float[Tensor, "tiles width0 tile_height tile_width"]:
        """The embeddings of consecutive tiles."""
        return torch.cat([self._tile(tile) for tile in self.grid.tiles[tiles]])

    def _tile(self, tile: Tile) -> Float[Tensor, "1 width0 tile_height tile_width"]:
        if self.grid.placement is TilePlacement.PUBLISHED:
            return self._computed(tile, halo=0)
        parts = []
        for top, blocks in groupby(partition(self.grid.size, EMBEDDED_BLOCK), key=lambda block: block.top):
            row = list(blocks)
            common = tile.rows(top, top + row[0].size.height)
            if common is None:
                self._rows.pop(top, None)
                continue
            if top not in self._rows:
                self._rows[top] = torch.cat([self._computed(block, halo=self.module.halo) for block in row], dim=3)
            parts.append(common.relative_to(row[0]).crop(self._rows[top]))
        return torch.cat(parts, dim=2)

    def _computed(self, tile: Tile, *, halo: int) -> Float[Tensor, "1 width0 tile_height tile_width"]:
        """The embedding of a rectangle (latent pixels), computed with a halo of photo pixels around it."""
        outer = tile.scaled(LATENT_FACTOR).expanded(halo, self.photo.size)
        embedding = self.module(self.photo.part(outer), with_rgbs=False).embedding
        start = Tile(outer.top // LATENT_FACTOR, outer.left // LATENT_FACTOR, tile.size)
        return tile.relative_to(start).crop(embedding)
