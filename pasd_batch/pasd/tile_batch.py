"""Automatic tile batch: the number of tiles that saturates a GPU.

It depends on the GPU, the networks and the tile size alone, not on the photos: another batch size rounds differently,
and so gives other pixels.
"""

import math

import torch

from pasd_batch.pasd.memory import MOST_TILES, power_of_two_within

_FULL = 8 * 64 * 64
"""Latent pixels per call, of guided tiles, that saturate a GPU: an H200 reaches 242 TFLOP/s with 8 tiles of 64x64 and
250 with 32, in bfloat16."""

_FEATURES = 32
"""Feature maps of the first level's width that a call holds at its peak, measured with memory-efficient attention."""

_SHARE = 0.4
"""Share of a GPU's memory for a call, beside weights and work on whole pictures."""


def saturating_tile_batch(tile_size: int, *, width: int, dtype: torch.dtype, device: torch.device) -> int:
    """Power of two of tiles of `tile_size` squared that saturates a GPU, limited by its memory.

    Args:
        tile_size: side of the largest tile, in latent pixels.
        width: channels of the UNet's first level.
        dtype: precision of the networks.
        device: a CUDA device.
    """
    memory = torch.cuda.get_device_properties(device).total_memory
    # For both halves of guidance.
    of_a_tile = 2 * tile_size**2 * _FEATURES * width * dtype.itemsize
    fits = power_of_two_within(_SHARE * memory / of_a_tile)
    return min(_next_power_of_two(_FULL / tile_size**2), fits, MOST_TILES)


def _next_power_of_two(number: float) -> int:
    return 1 << max(0, math.ceil(math.log2(number)))
