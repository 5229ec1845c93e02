"""Memory that threads share: each waits until what it is going to take fits in."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class MemoryBudget:
    """So many bytes at once; what is more than all of them goes alone."""

    nbytes: int
    _taken: list[int] = field(default_factory=list, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)

    @contextmanager
    def taking(self, nbytes: int) -> Iterator[None]:
        """Wait until there is room, and hold it for a block."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or sum(self._taken) + nbytes <= self.nbytes)
            self._taken.append(nbytes)
        try:
            yield
        finally:
            with self._changed:
                self._taken.remove(nbytes)
                self._changed.notify_all()
