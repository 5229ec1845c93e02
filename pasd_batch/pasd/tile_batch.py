"""Tiles that go through the networks together where the settings leave it open: as many as fill a GPU.

They depend on the GPU, the networks and the size of the tile alone. What else there is to restore has no say, since
another number of tiles gives other roundings, and so other pixels.
"""

import math

import torch

from pasd_batch.pasd.memory import MOST_TILES, power_of_two_within

_FULL = 8 * 64 * 64
"""Latent pixels in a call, of guided tiles, that fill a GPU: an H200 reaches 242 TFLOP/s with 8 tiles of 64x64 and 250
with 32, in bfloat16."""

_FEATURES = 32
"""Feature maps, of the first level's width, that a call holds at its peak; measured, with attention in pieces."""

_SHARE = 0.4
"""Part of a GPU's memory that a call may take, beside weights and what works on whole pictures."""


def saturating_tile_batch(tile_size: int, *, width: int, dtype: torch.dtype, device: torch.device) -> int:
    """The power of two of tiles of `tile_size` squared that fill a GPU, as far as they fit its memory.

    Args:
        tile_size: side of the largest tile, in latent pixels.
        width: channels of the UNet's first level.
        dtype: precision of the networks.
        device: a CUDA device.
    """
    memory = torch.cuda.get_device_properties(device).total_memory
    # Of both halves of guidance.
    of_a_tile = 2 * tile_size**2 * _FEATURES * width * dtype.itemsize
    fits = power_of_two_within(_SHARE * memory / of_a_tile)
    return min(_next_power_of_two(_FULL / tile_size**2), fits, MOST_TILES)


def _next_power_of_two(number: float) -> int:
    return 1 << max(0, math.ceil(math.log2(number)))
