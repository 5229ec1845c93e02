"""Google's and Azure's stores: what a run's promises rest on, tried on stand-ins of this machine."""

import os
import threading

import fsspec
import pyarrow.parquet as pq
import pytest
from other_stores import AzureStandIn, GoogleStandIn
from photo_archive import begin_run, picture, store_photos
from quick_retry import QUICK

from pasd_batch.batch.worker.shard_worker import ShardState, ShardWorker
from pasd_batch.config.storage import StorageSettings
from pasd_batch.runs.run_set import find_runs
from pasd_batch.storage.probe import honours_create
from pasd_batch.storage.reading import read_uri, state_of
from pasd_batch.storage.storage import AlreadyExists, NotFound, Storage

STORES = {"gs": GoogleStandIn, "az": AzureStandIn}


@pytest.fixture(scope="module", params=STORES)
def store(request):
    """The scheme of a stand-in; the environment leads there."""
    stand_in = STORES[request.param]()
    before = {name: os.environ.get(name) for name in stand_in.environment}
    os.environ.update(stand_in.environment)
    fsspec.config.set_conf_env(fsspec.config.conf)
    stand_in.make_bucket()
    yield request.param
    stand_in.process.terminate()
    stand_in.process.wait()
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
    for scheme in ("gs", "gcs"):
        fsspec.config.conf.pop(scheme, None)


@pytest.fixture
def place(store, request):
    return f"{store}://archive/{abs(hash(request.node.name))}"


def test_a_create_never_overwrites_and_one_of_many_at_once_wins(place):
    storage = Storage.open(place, StorageSettings(retry=QUICK))
    assert honours_create(storage)
    won = []

    def create(number):
        try:
            storage.create("results/shard-000000.parquet", str(number).encode())
        except AlreadyExists:
            return
        won.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = won
    assert storage.read("results/shard-000000.parquet") == str(winner).encode()


def test_what_is_written_is_listed_read_moved_and_deleted(place):
    storage = Storage.open(place, StorageSettings(retry=QUICK))
    storage.write("a/b c.txt", b"one")
    storage.write("a/b c.txt", b"three")
    storage.create("empty", b"")
    assert sorted(storage.list()) == ["a/b c.txt", "empty"]
    assert (storage.read("a/b c.txt"), storage.read("empty")) == (b"three", b"")
    assert (storage.exists("a/b c.txt"), storage.exists("a"), storage.exists("nowhere")) == (True, False, False)
    assert storage.folders() == ("a",)
    storage.move("a/b c.txt", "c.txt")
    assert sorted(storage.list()) == ["c.txt", "empty"]
    for path in list(storage.list()):
        storage.delete(path)
    assert list(storage.list()) == []
    with pytest.raises(NotFound):
        storage.read("c.txt")


def test_a_changed_object_has_another_version(place):
    storage = Storage.open(place, StorageSettings(retry=QUICK))
    storage.write("a.jpg", b"one")
    before = state_of(f"{place}/a.jpg", StorageSettings())
    storage.write("a.jpg", b"two")
    after = state_of(f"{place}/a.jpg", StorageSettings())
    assert before.bytes == after.bytes == 3
    assert before.version != after.version
    assert read_uri(f"{place}/a.jpg") == b"two"


def test_two_workers_at_one_shard_make_one_result(place, tmp_path):
    store_photos(tmp_path, {"a.png": picture(1), "b.png": picture(2)})
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("uri\na.png\nb.png\n")
    spec, folder, _ = begin_run(place, manifest)
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(ShardWorker(spec).run(0))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.state for outcome in outcomes) == [ShardState.COMMITTED, ShardState.COMMITTED_BEFORE]
    (path,) = folder.storage.list("results")
    rows = pq.read_table(fsspec.open(folder.storage.uri(path)).open()).to_pylist()
    assert [row["status"] for row in rows] == ["ok", "ok"]
    assert all(read_uri(row["output_uri"]) for row in rows)
    assert [run.uri for run in find_runs([place.rpartition("/")[0]], StorageSettings())].count(
        folder.storage.uri()
    ) == 1
