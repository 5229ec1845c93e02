"""Bounded threads: some items at a time, results in order."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_THREADS = 16

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(work: Callable[[Item], Result], items: Iterable[Item], *, threads: int = _THREADS) -> Iterator[Result]:
    """`work` of every item, in order, some items at a time so that few results wait."""
    remaining = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        while batch := list(islice(remaining, 8 * threads)):
            yield from pool.map(work, batch)
