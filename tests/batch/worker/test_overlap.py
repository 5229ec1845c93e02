import math
import threading
import time

import pytest

from pasd_batch.batch.worker.overlap import BoundedThreads, DeadlineExceeded, ReadAhead


def threads(task, *, limit=3, seconds=None):
    return BoundedThreads(task, limit=limit, seconds=seconds, what="decoding", setting="deadlines.fetch")


def drain(ahead):
    results, failed = [], []
    while ahead.fill():
        while ahead.failed:
            failed.append(ahead.failed.popleft())
        if ahead.ready:
            results.append(ahead.ready.popleft())
    return results, failed


def test_every_item_comes_back_once_with_its_result_or_its_error():
    def task(number):
        if number % 3 == 0:
            raise ValueError(f"{number} is bad")
        return number * 10

    results, failed = drain(ReadAhead(threads(task), range(20), weight=lambda _: 1, max_weight=100))
    assert sorted(results) == [number * 10 for number in range(20) if number % 3]
    assert sorted(f"{item.item}: {item.error}" for item in failed) == sorted(
        f"{number}: {number} is bad" for number in range(0, 20, 3)
    )


def test_never_more_than_the_limit_are_loading_or_waiting():
    started = []
    ahead = ReadAhead(threads(started.append, limit=3), range(50), weight=lambda _: 0, max_weight=1)
    assert ahead.fill()
    time.sleep(0.1)
    ahead.fill()
    assert len(started) == 3
    assert len(ahead.ready) + len(ahead.threads) == 3


def test_heavy_results_that_wait_keep_further_ones_from_being_loaded():
    started = []

    def task(number):
        started.append(number)
        return number

    ahead = ReadAhead(threads(task, limit=4), range(9), weight=lambda _: 60, max_weight=100)
    ahead.threads.limit = 2
    while len(ahead.ready) < 2:
        ahead.fill()
    ahead.threads.limit = 4
    ahead.fill()
    assert len(started) == 2
    assert sorted(drain(ahead)[0]) == list(range(9))


def test_loads_under_way_count_as_much_as_the_heaviest_so_far():
    heaviest = []

    def task(number):
        time.sleep(0.01)
        return number

    ahead = ReadAhead(threads(task, limit=8), range(30), weight=lambda _: 60, max_weight=100)
    while ahead.fill():
        heaviest.append(len(ahead.ready) + len(ahead.threads))
        ahead.ready.popleft()
    assert max(heaviest) == 2, "not eight, although only two at a time were there to be weighed"


def test_heavy_items_that_run_keep_further_ones_from_being_started():
    release = threading.Event()
    pool = threads(lambda _: release.wait(30), limit=8)
    pool.weight, pool.max_weight = (lambda _: 60), 100
    pool.start(1)
    assert not pool.full
    pool.start(2)
    assert pool.full
    release.set()
    while len(pool):
        pool.finished(within=math.inf)
    assert not pool.full


def test_enough_results_are_waited_for_no_longer_than_patience_allows():
    slow = threading.Event()

    def task(number):
        slow.wait(30 if number == 3 else 0.05 * number)
        return number

    ahead = ReadAhead(threads(task, limit=4), range(4), weight=lambda _: 0, max_weight=1)
    assert ahead.fill(enough=lambda ready: len(ready) == 3, patience=30)
    assert sorted(ahead.ready) == [0, 1, 2]
    began = time.monotonic()
    assert ahead.fill(enough=lambda ready: len(ready) == 4, patience=0.2)
    assert 0.2 <= time.monotonic() - began < 15
    assert len(ahead.ready) == 3
    slow.set()
    assert ahead.fill(enough=lambda ready: len(ready) == 9, patience=30)
    assert sorted(ahead.ready) == [0, 1, 2, 3]


def test_what_is_taken_is_replaced_while_it_is_in_use():
    ahead = ReadAhead(threads(lambda number: number, limit=3), range(9), weight=lambda _: 0, max_weight=1)
    ahead.fill(enough=lambda ready: len(ready) == 3, patience=30)
    assert len(ahead.threads) == 0
    ahead.ready.clear()
    ahead.start_loads()
    assert len(ahead.threads) == 3


def test_an_item_past_its_deadline_is_given_up_and_the_others_go_on():
    release = threading.Event()

    def task(number):
        if number == 1:
            release.wait(30)
        return number

    began = time.monotonic()
    results, failed = drain(ReadAhead(threads(task, seconds=0.3), range(5), weight=lambda _: 1, max_weight=100))
    assert time.monotonic() - began < 5
    release.set()
    assert [late.item for late in failed] == [1]
    assert isinstance(failed[0].error, DeadlineExceeded)
    assert "0.3 s" in str(failed[0].error)
    assert "deadlines.fetch" in str(failed[0].error)
    assert sorted(results) == [0, 2, 3, 4]


def test_time_that_an_item_waited_for_others_is_not_its_own():
    waited = {1: 0.0, 2: 0.0}

    def task(number):
        waited[number] = 30.0 * (number == 1)
        time.sleep(1.0)

    pool = threads(task, seconds=0.3)
    pool.waited = waited.__getitem__
    _, failed = drain(ReadAhead(pool, [1, 2], weight=lambda _: 1, max_weight=100))
    assert [late.item for late in failed] == [2]


def test_what_ends_the_process_is_not_taken_for_a_bad_photo():
    def task(_):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        drain(ReadAhead(threads(task), [1], weight=lambda _: 1, max_weight=1))
