"""A worker whose node is about to be taken away takes its attempt back and works on until it is ended."""

import threading
import time

import pytest
from photo_archive import picture, record, results, settings, spec, store_photos, write_plan
from tiny_models import SLOW

from pasd_batch.batch.worker.node_end import NOTICE_VARIABLE, on_notice
from pasd_batch.batch.worker.shard_worker import ShardState, ShardWorker

PATIENCE_SECONDS = 60.0


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def notice(tmp_path, monkeypatch):
    path = tmp_path / "node-ends"
    monkeypatch.setenv(NOTICE_VARIABLE, str(path))
    return path


def test_an_attempt_is_taken_back_on_notice_and_what_is_committed_counts(tmp_path, notice):
    root = tmp_path / "run"
    store_photos(tmp_path / "in", {f"{number}.png": picture(number) for number in range(6)})
    write_plan(root, [record(tmp_path / "in" / f"{number}.png") for number in range(6)])
    begun = threading.Event()
    worker = ShardWorker(spec(settings(root), SLOW), lambda _: begun.set())
    ended = on_notice(worker.take_back_attempt, seconds=0.01)
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(worker.run(0)))
    thread.start()
    assert begun.wait(PATIENCE_SECONDS)
    attempt = root / "attempts/000000/0"
    assert attempt.exists()
    notice.touch()
    wait_for(lambda: not attempt.exists())
    assert thread.is_alive()
    thread.join()
    ended.set()
    (outcome,) = outcomes
    assert outcome.state is ShardState.COMMITTED
    assert len(results(root)) == 6


def test_without_notice_or_work_nothing_is_taken_back(tmp_path, notice):
    root = tmp_path / "run"
    store_photos(tmp_path / "in", {"0.png": picture(0)})
    write_plan(root, [record(tmp_path / "in/0.png")])
    worker = ShardWorker(spec(settings(root)))
    assert worker.run(0).state is ShardState.COMMITTED
    worker.take_back_attempt()
    assert (root / "attempts/000000/0").exists()
