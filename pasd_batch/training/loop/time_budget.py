"""Wall-clock limit of a training, which ends in time to write a checkpoint and the model."""

import math
from time import monotonic

_SAVINGS_KEPT_FREE = 3.0
"""Time reserved for the last checkpoint and the model, in multiples of the previous checkpoint's."""


class TimeBudget:
    """Limit of `seconds` from now; None: no limit."""

    def __init__(self, seconds: float | None) -> None:
        self._looked = monotonic()
        self._end = math.inf if seconds is None else self._looked + seconds

    def is_running_out(self, saving: float) -> bool:
        """True if another interval as long as since the last call, and saving (`saving` s), would exceed the limit."""
        now = monotonic()
        since, self._looked = now - self._looked, now
        return now + since + _SAVINGS_KEPT_FREE * saving > self._end
