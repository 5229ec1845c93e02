"""Recovery from out-of-memory errors: retry with smaller batches, then smaller tiles."""

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
"""Largest automatic tile batch; larger ones are not faster."""

WHOLE_PIXELS = 16_000_000
"""Most pixels of a picture that is processed whole outside the networks, in some twelve float32 copies. Of a larger one
only integer pixels and latents are held whole, and float pixels one tile at a time."""

FULL_PRECISION_NOISE = 128 << 20
"""Most numbers of one photo's noise, drawn or predicted, that are held in float32; more are held in float16, which
rounds them by 2^-11 of themselves. The latents are always float32."""

SMALLEST_TILE = 16
"""Smallest tile side, latent pixels: smaller tiles have too little context."""


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
    """Tile sizes and tile batch of network calls."""

    tile_size: int
    tile_batch: int
    """Tiles of `tile_size` squared per network call."""

    vae_tile_size: int
    scales: bool = False
    """Scale the batch up for smaller tiles, up to `MOST_TILES`."""

    def tiles_together(self, tile: Size) -> int:
        """Tile batch for tiles of a size."""
        if not self.scales:
            return self.tile_batch
        more = power_of_two_within(self.tile_size**2 / tile.area)
        return max(self.tile_batch, min(self.tile_batch * more, MOST_TILES))

    def smaller_denoising(self) -> "MemoryLimits | None":
        """Half the tile batch; at one tile, half the tile side; None if that is too small."""
        if self.tile_batch > 1:
            return replace(self, tile_batch=self.tile_batch // 2)
        if self.tile_size // 2 >= SMALLEST_TILE:
            return replace(self, tile_size=self.tile_size // 2)
        return None

    def smaller_vae(self) -> "MemoryLimits | None":
        """Half the VAE's tile side; None if that is too small."""
        if self.vae_tile_size // 2 >= SMALLEST_TILE:
            return replace(self, vae_tile_size=self.vae_tile_size // 2)
        return None


@dataclass
class MemoryBudget:
    """Limits that shrink after out-of-memory errors, and the number of retries."""

    limits: MemoryLimits
    retries: int = 0
    shared: bool = False
    """Several photos share it: then tiles keep their size, since another would change pixels."""

    make_room: Callable[[], bool] = field(default=lambda: False)
    """Frees memory that only serves speed (CUDA graphs); False if there is none."""

    def run(
        self, action: Callable[[MemoryLimits], Result], smaller: Callable[[MemoryLimits], MemoryLimits | None]
    ) -> Result:
        """Run an action within the limits, with smaller ones after each out-of-memory error.

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
