"""Conditioning of the control branch on a photo, computed once per photo: it does not depend on the denoising step."""

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.tiling import TilePlacement
from pasd_batch.pasd.degradation_removal import DegradationRemovalModule
from pasd_batch.pasd.geometry import LATENT_FACTOR
from pasd_batch.pasd.tiling import Tile, TileGrid


@torch.inference_mode()
def condition(
    module: DegradationRemovalModule, photo: Float[Tensor, "1 3 height width"], grid: TileGrid
) -> Float[Tensor, "tiles width0 tile_height tile_width"]:
    """The degradation removal module's embedding of every tile, of a photo in [0, 1] of 8 times the grid's size.

    Tiles are read with as much of the photo around them as can influence them, so that the embedding is that of the
    whole photo at the memory cost of a tile. In the published placement a tile is read without its surroundings,
    as the released code does.
    """
    halo = 0 if grid.placement is TilePlacement.PUBLISHED else module.reach
    return torch.cat([_read_tile(module, photo, tile, halo) for tile in grid.tiles])


def _read_tile(
    module: DegradationRemovalModule, photo: Float[Tensor, "1 3 height width"], tile: Tile, halo: int
) -> Tensor:
    top, left = tile.top * LATENT_FACTOR, tile.left * LATENT_FACTOR
    bottom, right = top + tile.size.height * LATENT_FACTOR, left + tile.size.width * LATENT_FACTOR
    above, before = max(0, top - halo), max(0, left - halo)
    seen = module(photo[:, :, above : bottom + halo, before : right + halo], with_rgbs=False)
    inner = Tile((top - above) // LATENT_FACTOR, (left - before) // LATENT_FACTOR, tile.size)
    return inner.crop(seen.embedding)
