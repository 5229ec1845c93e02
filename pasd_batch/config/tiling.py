"""Settings of tiles: latents larger than memory or training allow are denoised part by part."""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from pasd_batch.config.base import Settings


class TilePlacement(StrEnum):
    """Mode of cutting latents into tiles."""

    EVEN = "even"
    PUBLISHED = "published"


class TilingSettings(Settings):
    """Tiling of large photos; lengths are in latent pixels (8 photo pixels each)."""

    tile_size: int = Field(default=96, ge=8)
    """Latents of more than `tile_size`^2 elements are denoised in tiles of at most that area."""

    overlap: int = Field(default=16, ge=0)
    """Overlap of neighbouring tiles."""

    placement: TilePlacement = TilePlacement.EVEN
    """`even`: as few tiles as possible, equally spread; `published`: as the released code places them."""

    tile_batch: int | None = Field(default=None, ge=1)
    """Tiles that go through the networks together. None: 1 on the CPU; on CUDA as many as fill the GPU and fit its
    memory, 4 of 96x96 and up to 32 smaller ones. It depends on the GPU, the networks and the tile's size alone, so that
    no neighbour changes a photo; rows have it."""

    fill_batches: bool = True
    """Fill a batch of fewer tiles up by repeating its last one, so that no neighbour changes a photo by a rounding."""

    vae_tile_size: int = Field(default=128, ge=16)
    """Latents of more than `vae_tile_size`^2 elements are encoded and decoded in tiles."""

    @model_validator(mode="after")
    def _overlap_below_tile(self) -> Self:
        if self.overlap * 2 > self.tile_size:
            raise ValueError(f"overlap {self.overlap} is more than half of tile_size {self.tile_size}")
        return self
