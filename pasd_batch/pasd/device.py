"""Device and precision that networks run in; quick to import, for those who load other networks."""

import torch

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
