"""Threads ahead of and behind the model: bounded in number and bytes, and with a deadline for every photo.

A thread cannot be ended from outside. One that outlives its deadline is given up: its photo gets a
`DeadlineExceeded`, its place is free again, and whatever it still returns is dropped. What may run long in it (see
`data.photo_decoder`) works in a process that ends at the same deadline. Threads are daemons, so that one that is
stuck cannot keep the process from ending.
"""

import contextvars
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pasd_batch.errors import PasdBatchError

Item = TypeVar("Item")
Result = TypeVar("Result")


_LOADS_OF_UNKNOWN_WEIGHT = 2


class DeadlineExceeded(PasdBatchError):
    """A photo took longer than its deadline allows."""


class Deadline:
    """Deadline of work on photos together, which looks at the clock between its steps."""

    def __init__(self, what: str, setting: str, seconds: float | None, photos: int) -> None:
        self._what, self._setting = what, setting
        self._seconds = math.inf if seconds is None else seconds * photos
        self._began = time.monotonic()

    def check(self, where: str = "", remedy: str = "") -> None:
        """Go on while there is time.

        Raises:
            DeadlineExceeded: there is none; `where` says how far the work has come, `remedy` what else may help.
        """
        if time.monotonic() - self._began > self._seconds:
            raise DeadlineExceeded(
                f"{self._what} took longer than {self._seconds:g} s{where}; raise {self._setting}{remedy}"
            )


@dataclass(frozen=True)
class Done(Generic[Item, Result]):
    """An item's result."""

    item: Item
    result: Result


@dataclass(frozen=True)
class Failed(Generic[Item]):
    """The error that ended an item."""

    item: Item
    error: Exception


@dataclass
class _Running(Generic[Item, Result]):
    item: Item
    future: "Future[Result]"
    started: float


@dataclass
class BoundedThreads(Generic[Item, Result]):
    """Runs `task` for items, each in a thread of its own, never more than `limit` at once.

    `seconds` (None: no limit) is how long one may take; `what` says in messages what takes so long, and
    `setting` which setting allows more; `waited` is how much of it an item had to wait for others. With a `max_weight`
    (bytes) none is started while those that run weigh more.
    """

    task: Callable[[Item], Result]
    limit: int
    seconds: float | None
    what: str
    setting: str
    weight: Callable[[Item], int] = lambda _: 0
    max_weight: int | None = None
    waited: Callable[[Item], float] = lambda _: 0.0
    _running: "list[_Running[Item, Result]]" = field(default_factory=list, init=False)

    def __len__(self) -> int:
        return len(self._running)

    @property
    def full(self) -> bool:
        """True if no further item may be started now."""
        heavy = self.max_weight is not None and sum(self.weight(each.item) for each in self._running) > self.max_weight
        return heavy or len(self._running) >= self.limit

    def start(self, item: Item) -> None:
        """Start a thread for `item`; call only while not `full`."""
        future: Future[Result] = Future()
        self._running.append(_Running(item, future, time.monotonic()))
        # What log lines are about goes along into the thread.
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(_run, self.task, item, future), daemon=True, name=self.what).start()

    def finished(self, *, within: float) -> "list[Done[Item, Result] | Failed[Item]]":
        """Items that have finished or run out of time; waits up to `within` seconds for at least one, if any runs."""
        give_up = time.monotonic() + within
        while self._running:
            until = min(give_up, self._next_deadline())
            timeout = None if until == math.inf else max(0.0, until - time.monotonic())
            wait([running.future for running in self._running], timeout, return_when=FIRST_COMPLETED)
            now = time.monotonic()
            over = [running for running in self._running if running.future.done() or self._late(running, now)]
            if over or now >= give_up:
                self._running = [running for running in self._running if running not in over]
                return [self._outcome(running) for running in over]
        return []

    def _next_deadline(self) -> float:
        if self.seconds is None:
            return math.inf
        return min(each.started + self.waited(each.item) for each in self._running) + self.seconds

    def _late(self, running: "_Running[Item, Result]", now: float) -> bool:
        return self.seconds is not None and now - running.started - self.waited(running.item) >= self.seconds

    def _outcome(self, running: "_Running[Item, Result]") -> "Done[Item, Result] | Failed[Item]":
        if not running.future.done():
            message = f"{self.what} took longer than {self.seconds:g} s; raise {self.setting}, or look at the file"
            return Failed(running.item, DeadlineExceeded(message))
        error = running.future.exception()
        if error is None:
            return Done(running.item, running.future.result())
        if not isinstance(error, Exception):
            raise error
        return Failed(running.item, error)


@dataclass
class ReadAhead(Generic[Item, Result]):
    """Items loaded by threads ahead of their use, out of order as they come in.

    What is loaded waits in `ready`, what failed in `failed`; the user takes from both. New loads start only while
    loading and ready ones together are fewer than the threads' limit and their `weight` (bytes) is below `max_weight`.
    One that is being loaded is taken to weigh as much as the heaviest so far; until that is known, two load at once.
    """

    threads: BoundedThreads[Item, Result]
    items: Iterable[Item]
    weight: Callable[[Result], int]
    max_weight: int
    ready: "deque[Result]" = field(default_factory=deque, init=False)
    failed: "deque[Failed[Item]]" = field(default_factory=deque, init=False)
    _heaviest: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._waiting = deque(self.items)

    def fill(self, *, enough: Callable[[Sequence[Result]], bool] = bool, patience: float = 0.0) -> bool:
        """Start what may start and take in what has come in; False when all is used up.

        Waits until something has come in, as long as it takes, and up to `patience` seconds more until what is ready
        is `enough`, or nothing is being loaded any more.
        """
        self._take_in(within=0.0 if self.ready else math.inf)
        give_up = time.monotonic() + patience
        while self.ready and len(self.threads) and not enough(self.ready):
            left = give_up - time.monotonic()
            if left <= 0:
                break
            self._take_in(within=left)
        return bool(self.ready or self.failed)

    def start_loads(self) -> None:
        """Start what may start; after something was taken from `ready`, so that it loads while that is in use."""
        while self._waiting and len(self.threads) + len(self.ready) < self.threads.limit:
            if self._is_heavy():
                return
            self.threads.start(self._waiting.popleft())

    def _is_heavy(self) -> bool:
        loading = len(self.threads)
        if self._heaviest is None:
            return loading >= _LOADS_OF_UNKNOWN_WEIGHT
        weights = sum(map(self.weight, self.ready)) + loading * self._heaviest
        return bool(loading or self.ready) and weights >= self.max_weight

    def _take_in(self, *, within: float) -> None:
        self.start_loads()
        for outcome in self.threads.finished(within=within):
            if isinstance(outcome, Failed):
                self.failed.append(outcome)
            else:
                self.ready.append(outcome.result)
                self._heaviest = max(self._heaviest or 0, self.weight(outcome.result))
        self.start_loads()


def _run(task: Callable[[Item], Result], item: Item, future: "Future[Result]") -> None:
    try:
        result = task(item)
    except BaseException as error:  # noqa: BLE001 (handed to whoever waits for the future)
        future.set_exception(error)
    else:
        future.set_result(result)
