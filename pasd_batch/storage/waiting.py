"""A line about what is waited for, when that takes more than a moment."""

import contextlib
import threading
from collections.abc import Iterator
from logging import Logger


@contextlib.contextmanager
def said_after(seconds: float, text: str, logger: Logger) -> Iterator[None]:
    """Log a line if a block takes longer than so many seconds."""
    timer = threading.Timer(seconds, logger.warning, args=["%s", text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
