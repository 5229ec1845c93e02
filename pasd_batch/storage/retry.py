"""Trying again what may pass: exponential backoff with jitter, and a limit."""

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from pasd_batch.config.storage import RetryPolicy
from pasd_batch.storage.errors import TransientStorageError

_logger = logging.getLogger(__name__)

Result = TypeVar("Result")

_SAID_AFTER = 5.0
"""Seconds of trouble after which whoever waits is told."""


class _Tally:
    """Number that threads add to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.value = 0

    def add_one(self) -> None:
        with self._lock:
            self.value += 1


_retries = _Tally()


def retries_so_far() -> int:
    """Further tries that this process has made since it began, whatever came of them."""
    return _retries.value


def with_retries(policy: RetryPolicy, operation: Callable[[], Result]) -> Result:
    """Call `operation` until it succeeds, fails for good, or `policy.attempts` tries have failed.

    That it takes longer than a moment is a warning, once.

    Raises:
        TransientStorageError: the last failure, with the number of tries.
        StorageError: any other failure, at once.
    """
    began, said = time.monotonic(), False
    for attempt in range(1, policy.attempts + 1):
        try:
            return operation()
        except TransientStorageError as error:
            if attempt == policy.attempts:
                raise TransientStorageError(f"{error} (gave up after {attempt} tries)") from None
            pause = backoff(policy, attempt)
            long = not said and time.monotonic() - began + pause > _SAID_AFTER
            said = said or long
            line = "%s (try %d of %d, next in %.1f s)"
            _logger.log(logging.WARNING if long else logging.INFO, line, error, attempt, policy.attempts, pause)
        _retries.add_one()
        time.sleep(pause)
    raise AssertionError("a retry policy has at least one attempt")


def backoff(policy: RetryPolicy, attempt: int) -> float:
    """Seconds to wait after try number `attempt` (from 1): doubling, capped, and between half and all of that."""
    ceiling = min(policy.max_delay, policy.first_delay * 2.0 ** (attempt - 1))
    return ceiling * random.uniform(0.5, 1.0)
