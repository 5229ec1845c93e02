"""Times and memory of what runs on a GPU."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any
from unittest.mock import patch

import torch


def synchronize(device: torch.device) -> None:
    """Wait until everything that was started is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(action: Callable[[], object], device: torch.device) -> float:
    """Seconds until an action is done, on the device too."""
    synchronize(device)
    began = time.perf_counter()
    action()
    synchronize(device)
    return time.perf_counter() - began


def typical(action: Callable[[], object], device: torch.device, *, repeats: int) -> float:
    """The median of several timings behind a warm-up."""
    timed(action, device)
    return median(timed(action, device) for _ in range(repeats))


def peak_memory(action: Callable[[], object], device: torch.device) -> float | None:
    """Most GiB in use while an action runs; None without a GPU."""
    if device.type != "cuda":
        action()
        return None
    torch.cuda.reset_peak_memory_stats(device)
    action()
    return torch.cuda.max_memory_allocated(device) / 2**30


@contextmanager
def watched(device: torch.device, functions: dict[str, tuple[Any, str]]) -> Iterator[dict[str, float]]:
    """Seconds that go to functions, by the names given here, while the context lasts.

    Each call waits for the device before and behind it, so that nothing runs beside it.
    """
    spent: dict[str, float] = defaultdict(float)

    def wrapped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            synchronize(device)
            began = time.perf_counter()
            result = function(*args, **options)
            synchronize(device)
            spent[name] += time.perf_counter() - began
            return result

        return call

    with ExitStack() as stack:
        for name, (owner, attribute) in functions.items():
            stack.enter_context(patch.object(owner, attribute, wrapped(name, getattr(owner, attribute))))
        yield spent
