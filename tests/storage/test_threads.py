"""Bounded work of threads: order, how much is under way, and errors."""

import threading
import time
from collections.abc import Iterator

import pytest

from pasd_batch.storage.threads import in_threads


def test_results_come_in_the_order_of_the_items() -> None:
    def slow_if_even(number: int) -> int:
        time.sleep(0.002 * (number % 2 == 0))
        return number

    assert list(in_threads(slow_if_even, range(50), threads=4)) == list(range(50))


def test_items_are_taken_as_results_are() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = in_threads(lambda number: number, items(), threads=2)
    for number in range(100):
        assert next(results) == number
        assert len(taken) <= number + 2 * 2 + 1
    results.close()
    assert len(taken) < 120


def test_no_more_threads_work_than_were_asked_for() -> None:
    lock, at_work, most = threading.Lock(), 0, 0

    def work(_: int) -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.002)
        with lock:
            at_work -= 1

    assert len(list(in_threads(work, range(40), threads=3))) == 40
    assert most == 3


def test_an_error_comes_where_its_result_would_have_been() -> None:
    def work(number: int) -> float:
        return 1 / (number - 5)

    results = in_threads(work, range(100), threads=3)
    assert [next(results) for _ in range(5)] == [1 / (number - 5) for number in range(5)]
    with pytest.raises(ZeroDivisionError):
        next(results)
