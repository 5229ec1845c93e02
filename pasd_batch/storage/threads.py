"""Work of several threads or processes at once, with bounded results that wait, in the order of the items."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_THREADS = 16

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(work: Callable[[Item], Result], items: Iterable[Item], *, threads: int = _THREADS) -> Iterator[Result]:
    """`work` of every item, in order, some items at a time: at most twice as many results as threads wait.

    An error of `work` comes up where its result would have been; what has not begun by then is not done.
    """
    pool = ThreadPoolExecutor(threads)
    try:
        yield from in_order(lambda item: pool.submit(work, item), items, ahead=2 * threads)
    finally:
        pool.shutdown(cancel_futures=True)


def in_order(submit: Callable[[Item], "Future[Result]"], items: Iterable[Item], *, ahead: int) -> Iterator[Result]:
    """Results in the order of the items, with up to `ahead` of them under way or waiting besides."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(submit(item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
