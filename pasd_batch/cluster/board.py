"""Progress board: workers write how far they are, the driver reads it.

What stands on it is for show: it may be lost or late.
"""

import logging
from typing import Any

_logger = logging.getLogger(__name__)

READ_SECONDS = 5.0
"""Time that a driver waits for the board before it takes it for empty."""


class ProgressBoard:
    """The last value that was written for each key, such as a shard's number; lives in an actor of its own."""

    def __init__(self) -> None:
        self._values: dict[int, tuple[int, Any]] = {}

    def write(self, key: int, value: Any, *, attempt: int = 0) -> None:
        """Note a value; one of an older attempt does not replace a newer one's."""
        if key not in self._values or attempt >= self._values[key][0]:
            self._values[key] = attempt, value

    def clear(self, key: int) -> None:
        """Forget what is done or given up."""
        self._values.pop(key, None)

    def read(self) -> list[Any]:
        """All values, in the order in which their keys were first written."""
        return [value for _, value in self._values.values()]


def start_board() -> Any:
    """A handle on a new `ProgressBoard` actor. Ray must be running."""
    import ray

    return ray.remote(ProgressBoard).options(num_cpus=0, max_restarts=-1).remote()


def read_board(board: Any) -> list[Any]:
    """All values on the board; empty if its actor does not answer within `READ_SECONDS`."""
    import ray
    from ray.exceptions import RayError

    try:
        return ray.get(board.read.remote(), timeout=READ_SECONDS)
    except RayError as error:
        _logger.debug("the progress board does not answer: %s", error)
        return []
