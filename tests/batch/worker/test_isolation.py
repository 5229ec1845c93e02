import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import tiny_models
from photo_archive import picture, record, results, settings, spec, store_photos, without_traces, write_plan

from pasd_batch.batch.worker import isolation
from pasd_batch.batch.worker.child import ChildUnavailable
from pasd_batch.batch.worker.shard_worker import ShardState, ShardWorker
from pasd_batch.runs.layout import starts_folder
from pasd_batch.runs.ledger import AttemptLedger
from pasd_batch.storage.storage import Storage, StorageError

ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "run"


def archive(folder, count, **deadly):
    """Records of `count` photos; `deadly` gives some of them a prompt by number."""
    store_photos(folder, {f"{number:03d}.png": picture(number) for number in range(count)})
    return [record(folder / f"{number:03d}.png", prompt=deadly.get(f"n{number}")) for number in range(count)]


def crashed(root, times, shard=0):
    """A run whose shard has ended its process so many times."""
    ledger = AttemptLedger.of_shard(Storage.open(str(root)), shard)
    for _ in range(times):
        ledger.begin("gone/1")
    return ledger


def test_the_photo_that_ends_its_process_fails_and_its_neighbours_survive(root, tmp_path):
    records = archive(tmp_path / "in", 5, n2=tiny_models.DEADLY)
    write_plan(root, records)
    write_plan(root / "alone", [*records[:2], *records[3:]])
    crashed(root, 2)
    outcome = ShardWorker(spec(settings(root, max_attempts=2))).run(0)
    assert (outcome.state, outcome.photos, outcome.failed) == (ShardState.COMMITTED, 5, 1)
    ShardWorker(spec(settings(root / "alone"))).run(0)
    rows, alone = results(root), results(root / "alone")
    culprit = rows.pop("002.png")
    assert (culprit["status"], culprit["error_stage"]) == ("failed", "process")
    assert "ended 2 times" in culprit["error_message"]
    assert "exit code 17" in culprit["error_message"]
    assert all(row["isolated"] for row in rows.values())
    assert {name: without_traces(row) for name, row in rows.items()} == {
        name: without_traces(row) for name, row in alone.items()
    }


def test_photos_that_were_done_before_a_kill_are_not_done_again(root, tmp_path):
    records = archive(tmp_path / "in", 4, n2=tiny_models.SLOWLY)
    write_plan(root, records)
    crashed(root, 1)
    run_spec = spec(settings(root, max_attempts=1))
    process = _start_process(run_spec, tmp_path)
    kept = root / "attempts" / "000000"
    while len(list(kept.glob("photo-*/row.parquet"))) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    before = {path: path.read_bytes() for path in kept.glob("photo-*/row.parquet")}
    assert ShardWorker(run_spec).run(0).state is ShardState.COMMITTED
    assert {path: path.read_bytes() for path in before} == before
    rows = results(root)
    assert [row["status"] for row in rows.values()] == ["ok"] * 4
    assert rows["000.png"]["attempt"] == 1
    assert rows["003.png"]["attempt"] == 2


def test_a_child_that_is_killed_from_outside_is_started_again(root, tmp_path):
    write_plan(root, archive(tmp_path / "in", 3, n1=tiny_models.SLOWLY))
    crashed(root, 2)
    starts = root / "attempts" / "000000" / "photo-000001" / "starts"
    killer = threading.Thread(target=_kill_child_when, args=(starts,), daemon=True)
    killer.start()
    ShardWorker(spec(settings(root, max_attempts=2))).run(0)
    killer.join(10)
    assert len(list(starts.iterdir())) == 2
    assert "SIGKILL" in (starts.parent / "deaths" / "0").read_text()
    assert all(row["status"] == "ok" for row in results(root).values())


def test_a_photo_that_takes_its_worker_with_it_again_and_again_fails_in_the_end(root, tmp_path):
    write_plan(root, archive(tmp_path / "in", 2))
    ledger = crashed(root, 1)
    starts = AttemptLedger(ledger.storage, starts_folder(0, 1))
    for _ in range(4):
        starts.begin("gone/1")
    ShardWorker(spec(settings(root, max_attempts=1))).run(0)
    rows = results(root)
    assert rows["000.png"]["status"] == "ok"
    assert rows["001.png"]["error_type"] == "ProcessDied"


def test_a_child_that_cannot_load_the_models_gives_the_shard_back(root, tmp_path):
    write_plan(root, archive(tmp_path / "in", 2))
    crashed(root, 1)
    outcome = ShardWorker(spec(settings(root, max_attempts=1), tiny_models.WITHOUT_WEIGHTS)).run(0)
    assert outcome.state is ShardState.GIVEN_BACK
    assert "weights/unet" in outcome.message
    assert not (root / "results").exists()


@pytest.mark.parametrize("trouble", [StorageError("the disk is full"), ChildUnavailable("no memory for a process")])
def test_trouble_that_is_not_the_photos_own_does_not_count_against_it(root, tmp_path, monkeypatch, trouble):
    class TroubledChild:
        def __init__(self, spec):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def make_ready(self):
            pass

        def run(self, task, origin):
            raise trouble

    write_plan(root, archive(tmp_path / "in", 1))
    ledger = crashed(root, 1)
    worker = ShardWorker(spec(settings(root, max_attempts=1)))
    with monkeypatch.context() as patch:
        patch.setattr(isolation, "ChildProcess", TroubledChild)
        for _ in range(isolation.STARTS_PER_DEATH + 1):
            assert worker.run(0).state is ShardState.GIVEN_BACK
    assert AttemptLedger(ledger.storage, starts_folder(0, 0)).numbers() == []
    assert worker.run(0).state is ShardState.COMMITTED
    assert results(root)["000.png"]["status"] == "ok"


def test_a_child_does_not_outlive_its_parent(root, tmp_path):
    write_plan(root, archive(tmp_path / "in", 1, n0=tiny_models.SLOWLY))
    crashed(root, 1)
    process = _start_process(spec(settings(root, max_attempts=1)), tmp_path)
    while not (root / "attempts" / "000000" / "photo-000000" / "starts").exists():
        time.sleep(0.05)
    children = _children_of(process.pid)
    assert children
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _start_process(run_spec, tmp_path):
    import pickle

    (tmp_path / "spec").write_bytes(pickle.dumps(run_spec))
    code = (
        "import pickle, pathlib, sys\n"
        "from pasd_batch.batch.worker.shard_worker import ShardWorker\n"
        "print(ShardWorker(pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())).run(0))\n"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "spec")], env=ENVIRONMENT)


def _children_of(pid):
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def _kill_child_when(folder):
    while not folder.exists():
        time.sleep(0.02)
    time.sleep(0.5)
    for child in _children_of(os.getpid()):
        if b"pasd_batch.batch.worker.child" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(child, signal.SIGKILL)
