"""Inputs of the sampler and of a network call, for the tiny networks. Import it where it is used: it imports torch."""

from contextlib import contextmanager

import torch
from tiny_model import ARCHITECTURE

from pasd_batch.config.tiling import TilingSettings
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.guidance import TileBatch
from pasd_batch.pasd.sampling import DenoisingPhoto
from pasd_batch.pasd.schedulers import build_scheduler
from pasd_batch.pasd.tiling import plan_tiles
from pasd_batch.pasd.untrained import SCHEDULER_CONFIG

WIDTH = ARCHITECTURE.unet_widths[0]
SMALL = Size(8, 8)
TILES = TilingSettings(tile_size=8, overlap=4)


def tile_batch(*, guided=True):
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    prompts, negatives = draw(3, 5, 16), draw(3, 5, 16)
    return TileBatch(draw(3, 4, 8, 8), draw(3, WIDTH, 8, 8), prompts, negatives if guided else None)


@contextmanager
def rows_seen(*networks):
    """The number of rows of every call of each network."""
    seen = [[] for _ in networks]
    handles = [
        network.register_forward_pre_hook(lambda _module, inputs, rows=rows: rows.append(len(inputs[0])))
        for network, rows in zip(networks, seen, strict=True)
    ]
    yield seen
    for handle in handles:
        handle.remove()


def photo(seed, size=SMALL, *, guided=False):
    generator = torch.Generator().manual_seed(seed)
    grid = plan_tiles(size, TILES)
    tile = grid.tile_size
    return DenoisingPhoto(
        start=torch.randn(1, 4, size.height, size.width, generator=generator),
        grid=grid,
        embeddings=torch.randn(len(grid.tiles), WIDTH, tile.height, tile.width, generator=generator),
        prompt=torch.randn(5, 16, generator=generator),
        negative_prompt=torch.randn(5, 16, generator=generator) if guided else None,
        generator=generator,
    )


def maker(name="UniPCMultistepScheduler", steps=2):
    return lambda: build_scheduler(name, SCHEDULER_CONFIG, steps)
