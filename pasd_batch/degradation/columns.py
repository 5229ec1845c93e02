"""Numbers of a batch's pictures as tensors beside the pictures; nothing here makes Python wait for a GPU."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor


def column(values: Sequence[float], like: Tensor) -> Float[Tensor, "batch 1 1 1"]:
    """One number for each picture of a batch (batch, channels, height, width), in that tensor's type and place."""
    return sent(torch.tensor(values, dtype=like.dtype), like.device).view(-1, 1, 1, 1)


def channel_columns(values: Sequence[Sequence[float]], like: Tensor) -> Float[Tensor, "batch channels 1 1"]:
    """Numbers for each channel of each picture."""
    return sent(torch.tensor(values, dtype=like.dtype), like.device)[..., None, None]


def flags(values: Sequence[bool], like: Tensor) -> Shaped[Tensor, "batch 1 1 1"]:
    """A yes or no for each picture."""
    return sent(torch.tensor(values, dtype=torch.bool), like.device).view(-1, 1, 1, 1)


def members(chosen: Sequence[int], like: Tensor) -> Int64[Tensor, " chosen"]:
    """Places of some of a batch's pictures, to index it with."""
    return sent(torch.tensor(chosen, dtype=torch.int64), like.device)


def sent(tensor: Shaped[Tensor, "*shape"], device: torch.device) -> Shaped[Tensor, "*shape"]:
    """A CPU tensor on the device; to a GPU from pinned memory, so that the copy is only queued."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@lru_cache(maxsize=256)
def constant(
    values: tuple[int | float, ...] | tuple[tuple[int | float, ...], ...], dtype: torch.dtype, device: torch.device
) -> Tensor:
    """The same few numbers, brought to a device once; never written to."""
    return torch.tensor(values, dtype=dtype, device=device)
