"""Per-photo parameters of a batch as broadcastable tensors on its device, without synchronising with a GPU."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor


def per_photo(values: Sequence[float], like: Tensor) -> Float[Tensor, "batch 1 1 1"]:
    """One number per photo, broadcastable against a batch (batch, channels, height, width), on its device."""
    return to_device(torch.tensor(values, dtype=like.dtype), like.device).view(-1, 1, 1, 1)


def per_channel(values: Sequence[Sequence[float]], like: Tensor) -> Float[Tensor, "batch channels 1 1"]:
    """One number per photo and channel, broadcastable against a batch (batch, channels, height, width)."""
    return to_device(torch.tensor(values, dtype=like.dtype), like.device)[..., None, None]


def photo_mask(values: Sequence[bool], like: Tensor) -> Shaped[Tensor, "batch 1 1 1"]:
    """One boolean per photo, broadcastable against a batch."""
    return to_device(torch.tensor(values, dtype=torch.bool), like.device).view(-1, 1, 1, 1)


def index_tensor(chosen: Sequence[int], like: Tensor) -> Int64[Tensor, " chosen"]:
    """Indices of some of a batch's photos, on its device."""
    return to_device(torch.tensor(chosen, dtype=torch.int64), like.device)


def to_device(tensor: Shaped[Tensor, "*shape"], device: torch.device) -> Shaped[Tensor, "*shape"]:
    """Copy a CPU tensor to a device; to a GPU from pinned memory, so that the copy is asynchronous."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@lru_cache(maxsize=256)
def constant(
    values: tuple[int | float, ...] | tuple[tuple[int | float, ...], ...], dtype: torch.dtype, device: torch.device
) -> Tensor:
    """A small constant tensor, cached per device; callers must not write to it."""
    return torch.tensor(values, dtype=dtype, device=device)
