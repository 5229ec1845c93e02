"""Conditioning of the control branch on a photo, computed once per photo: it does not depend on the denoising step."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.restoration import TilePlacement
from pasd_batch.pasd.degradation_removal import DegradationRemoval, DegradationRemovalModule
from pasd_batch.pasd.geometry import LATENT_FACTOR
from pasd_batch.pasd.tiling import Tile, TileGrid


@dataclass(frozen=True)
class Conditioning:
    """The degradation removal module's view of a photo."""

    embeddings: Float[Tensor, "tiles width0 tile_height tile_width"]
    """Embedding of every tile of the grid."""

    preview: Float[Tensor, "3 _half_height _half_width"] | None
    """The photo without its degradation as the finest to-RGB head sees it, in [0, 1] but not clamped."""


@torch.inference_mode()
def condition(
    module: DegradationRemovalModule, photo: Float[Tensor, "1 3 height width"], grid: TileGrid
) -> Conditioning:
    """Read a photo in [0, 1] whose size is 8 times the grid's.

    Tiles are read with as much of the photo around them as can influence them, so that the embedding is that of the
    whole photo at the memory cost of a tile. In the published placement a tile is read without its surroundings,
    as the released code does.
    """
    halo = 0 if grid.placement is TilePlacement.PUBLISHED else module.reach
    seen = [_read_tile(module, photo, tile, halo) for tile in grid.tiles]
    previews = [part.rgbs[0] for part in seen if part.rgbs is not None]
    preview = grid.scaled(LATENT_FACTOR // 2).blend(torch.cat(previews))[0] / 2 + 0.5 if previews else None
    return Conditioning(torch.cat([part.embedding for part in seen]), preview)


def _read_tile(
    module: DegradationRemovalModule, photo: Float[Tensor, "1 3 height width"], tile: Tile, halo: int
) -> DegradationRemoval:
    top, left = tile.top * LATENT_FACTOR, tile.left * LATENT_FACTOR
    bottom, right = top + tile.size.height * LATENT_FACTOR, left + tile.size.width * LATENT_FACTOR
    above, before = max(0, top - halo), max(0, left - halo)
    seen = module(photo[:, :, above : bottom + halo, before : right + halo])
    inner = Tile((top - above) // LATENT_FACTOR, (left - before) // LATENT_FACTOR, tile.size)
    rgbs = None if seen.rgbs is None else (inner.crop(seen.rgbs[0], LATENT_FACTOR // 2),)
    return DegradationRemoval(inner.crop(seen.embedding), rgbs)
