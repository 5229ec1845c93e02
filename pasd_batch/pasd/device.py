"""Device and precision that networks run in; quick to import, for those who load other networks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor

from pasd_batch.config.model import Precision


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU.

    Raises:
        ValueError: the name is no torch device, or asks for CUDA where there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device {name!r}: {error}") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {name!r}: torch {torch.__version__} sees no CUDA device here; use cpu or auto")
    return device


def choose_dtype(precision: Precision | None, device: torch.device) -> torch.dtype:
    """The precision asked for; by default bfloat16 on CUDA and float32 elsewhere."""
    if precision is not None:
        return getattr(torch, precision)
    return torch.bfloat16 if device.type == "cuda" else torch.float32


@contextmanager
def float32_matmul_precision(*, tf32: bool) -> Iterator[None]:
    """Let CUDA multiply float32 numbers with TF32's 10 bits, or exactly, for as long as the context lasts."""
    cudnn, cublas = cast(Any, torch.backends.cudnn), torch.backends.cuda.matmul
    before = cudnn.allow_tf32, cublas.allow_tf32
    try:
        cudnn.allow_tf32 = cublas.allow_tf32 = tf32
        yield
    finally:
        cudnn.allow_tf32, cublas.allow_tf32 = before


def start_copy_to_host(tensor: Tensor) -> Tensor:
    """A tensor's copy in main memory, in its layout; from CUDA it is only begun, and there after `synchronize`."""
    if tensor.device.type != "cuda":
        return tensor.cpu()
    # Only page-locked memory is copied to while the processor goes on, at several times the speed besides.
    host = torch.empty_like(tensor, device="cpu", pin_memory=True)
    return host.copy_(tensor, non_blocking=True)


def synchronize(device: torch.device) -> None:
    """Wait until everything that this thread has started on a device is done."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()
