"""Device and precision that networks run in; quick to import, for those who load other networks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor

from pasd_batch.config.model import Precision

_REMEDY = "use cpu or auto"


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU.

    Raises:
        ValueError: the name is no torch device, or asks for one that is not here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device {name!r}: {error}; {_REMEDY}") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {name!r}: torch {torch.__version__} sees no CUDA device here; {_REMEDY}")
    if device.type == "cuda" and (device.index or 0) >= (count := torch.cuda.device_count()):
        raise ValueError(f"device {name!r}: there are {count} CUDA devices here, counted from 0; {_REMEDY}")
    if device.type not in ("cpu", "cuda"):
        try:
            torch.zeros(1, device=device).cpu()
        except Exception as error:  # each kind of device raises something else where torch was built without it
            raise ValueError(
                f"device {name!r}: torch {torch.__version__} has no such device here; {_REMEDY}"
            ) from error
    return device


def choose_dtype(precision: Precision | None, device: torch.device) -> torch.dtype:
    """The precision asked for; by default bfloat16 on CUDA and float32 elsewhere."""
    if precision is not None:
        return getattr(torch, precision)
    return torch.bfloat16 if device.type == "cuda" else torch.float32


@contextmanager
def float32_matmul_precision(*, tf32: bool) -> Iterator[None]:
    """Allow or forbid TF32 in float32 convolutions and matrix products on CUDA while the context lasts."""
    cudnn, cublas = cast(Any, torch.backends.cudnn), torch.backends.cuda.matmul
    before = cudnn.allow_tf32, cublas.allow_tf32
    try:
        cudnn.allow_tf32 = cublas.allow_tf32 = tf32
        yield
    finally:
        cudnn.allow_tf32, cublas.allow_tf32 = before


def start_copy_to_host(tensor: Tensor) -> Tensor:
    """Copy a tensor to main memory, in its layout; from CUDA asynchronously, complete after `synchronize`."""
    if tensor.device.type != "cuda":
        return tensor.cpu()
    # Copies are asynchronous only to pinned memory, and several times faster.
    host = torch.empty_like(tensor, device="cpu", pin_memory=True)
    return host.copy_(tensor, non_blocking=True)


def synchronize(device: torch.device) -> None:
    """Wait for all work of this thread's stream on a device."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()
