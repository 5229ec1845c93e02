"""SIGINT and SIGTERM as an exception, so that a run ends in good order."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SAME_REQUEST_SECONDS = 1.0


class Interrupted(BaseException):
    """A signal asks this process to end; not an `Exception`, so that nobody takes it for a failure of their work."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


_requests: list[float] = []
"""Time of the signal that the present contexts have raised as `Interrupted`."""


@contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """SIGINT and SIGTERM raise `Interrupted` in the main thread; a second one ends the process at once.

    What comes in the same moment is one request that took two ways, such as to a process and to its whole group.
    May be nested, as where somebody has set handlers of their own in between: the second signal stays the second.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    outermost = _interrupt not in before.values()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if outermost:
            _requests.clear()


def _interrupt(number: int, _: FrameType | None) -> None:
    now = time.monotonic()
    if not _requests:
        _requests.append(now)
        raise Interrupted(number)
    if now - _requests[0] > SAME_REQUEST_SECONDS:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
