"""The wall-clock time that a training may take: it ends in time to leave a checkpoint and a model behind."""

import math
from time import monotonic

_SAVINGS_KEPT_FREE = 3.0
"""A checkpoint and the model have to be written at the end, and that may take longer than the last one took."""


class Budget:
    """So many seconds from now; None: no limit."""

    def __init__(self, seconds: float | None) -> None:
        self._looked = monotonic()
        self._end = math.inf if seconds is None else self._looked + seconds

    def ends_before_next_look(self, saving: float) -> bool:
        """True if no time is left for as much work as since the last look and for saving, which takes `saving` s."""
        now = monotonic()
        since, self._looked = now - self._looked, now
        return now + since + _SAVINGS_KEPT_FREE * saving > self._end
