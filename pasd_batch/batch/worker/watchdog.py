"""The last resort against calls that never come back: the process ends itself, with a trace of all its threads."""

import faulthandler
import sys
from collections.abc import Iterator
from contextlib import contextmanager

MARGIN_SECONDS = 120.0

_STUCK_FACTOR = 4.0


@contextmanager
def process_ends_after(seconds: float | None) -> Iterator[None]:
    """End the process if the block takes `seconds` (None: no limit) and a margin; not to be nested.

    A Python thread could not see to this, because native code that is stuck may hold the interpreter; the timer
    of `faulthandler` is native itself. The attempt ledger counts the end as a crash, and the photo behind it is
    found by running the shard's photos in processes of their own.
    """
    if seconds is None:
        yield
        return
    faulthandler.dump_traceback_later(seconds + MARGIN_SECONDS, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def stuck_after(seconds: float | None, photos: int) -> float | None:
    """Seconds after which work that has a deadline of `seconds` a photo (None: none) will never end by itself."""
    return None if seconds is None else seconds * photos * _STUCK_FACTOR
