"""Main memory of a machine, as far as a process of it may use it."""

import contextlib
import os
from pathlib import Path

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Control groups, version 2: a number of bytes, or `max`."""


def machine_memory() -> int | None:
    """Bytes that this machine has, or that its container may take; None where neither is told."""
    told = []
    with contextlib.suppress(AttributeError, OSError, ValueError):
        told.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with contextlib.suppress(OSError, ValueError):
        told.append(int(_CONTAINER_LIMIT.read_text()))
    return min(told, default=None)
