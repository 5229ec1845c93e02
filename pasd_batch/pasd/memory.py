"""Recovery from a full accelerator: less at a time, then again."""

import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import torch

from pasd_batch.pasd.geometry import Size

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MOST_TILES = 32
"""Most tiles that go through the networks together unless settings say so; more make none of them faster."""

WHOLE_PIXELS = 16_000_000
"""Most pixels of a picture that is worked on as a whole outside of the networks' tiles, in some twelve float32 copies.
Of a larger one only its levels and its latents are ever whole; floats are made of the part that is worked on."""

SMALLEST_TILE = 16
"""Tiles below this many latent pixels a side show too little of a photo to restore it."""


# How CUDA, MPS, cuBLAS, cuDNN and the CPU's allocator say it; cuBLAS and cuDNN do not even start on a full card.
_FULL = (
    "out of memory",
    "cublas_status_alloc_failed",
    "cublas_status_not_initialized",
    "cudnn_status_alloc_failed",
    "cudnn_status_not_initialized",
    "can't allocate memory",
)


def power_of_two_within(number: float) -> int:
    """The largest power of two up to a number, at least 1."""
    return 1 << (max(1, int(number)).bit_length() - 1)


def is_out_of_memory(error: BaseException) -> bool:
    """True if an error says that memory is full, in any of torch's ways of saying so."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in _FULL)


@dataclass(frozen=True)
class MemoryLimits:
    """Amount that goes through the networks at a time."""

    tile_size: int
    tile_batch: int
    """Tiles of `tile_size` squared, the largest there are, that go through the networks together."""

    vae_tile_size: int
    scales: bool = False
    """Let more of them go together where they are smaller, up to `MOST_TILES`."""

    def tiles_together(self, tile: Size) -> int:
        """Tiles of a size that go through the networks together."""
        if not self.scales:
            return self.tile_batch
        more = power_of_two_within(self.tile_size**2 / tile.area)
        return max(self.tile_batch, min(self.tile_batch * more, MOST_TILES))

    def smaller_denoising(self) -> "MemoryLimits | None":
        """Half the tiles at a time; when it is one tile, half the tile; None when that is too small."""
        if self.tile_batch > 1:
            return replace(self, tile_batch=self.tile_batch // 2)
        if self.tile_size // 2 >= SMALLEST_TILE:
            return replace(self, tile_size=self.tile_size // 2)
        return None

    def smaller_vae(self) -> "MemoryLimits | None":
        """Half the VAE's tile; None when that is too small."""
        if self.vae_tile_size // 2 >= SMALLEST_TILE:
            return replace(self, vae_tile_size=self.vae_tile_size // 2)
        return None


@dataclass
class MemoryBudget:
    """Limits that shrink when they proved too large, and how often they did."""

    limits: MemoryLimits
    retries: int = 0
    shared: bool = False
    """Several photos have it together: tiles stay as large as they are, since another size gives other pixels."""

    make_room: Callable[[], bool] = field(default=lambda: False)
    """Gives back memory that only makes things faster, which costs no pixel; False if there is none."""

    def run(
        self, action: Callable[[MemoryLimits], Result], smaller: Callable[[MemoryLimits], MemoryLimits | None]
    ) -> Result:
        """Run an action within the limits, with smaller ones each time the accelerator's memory is full.

        Raises:
            RuntimeError: `is_out_of_memory`, and there is nothing smaller left to try; or another one of `action`'s.
        """
        while True:
            try:
                return action(self.limits)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if not self.make_room():
                    shrunk = smaller(self.limits)
                    if shrunk is None or (self.shared and shrunk.tile_batch == self.limits.tile_batch):
                        raise
                    logger.warning("out of memory with %s; trying again with %s", self.limits, shrunk)
                    self.limits = shrunk
                    self.retries += 1
            # Outside the handler, where the failed attempt's tensors are no longer referenced.
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
