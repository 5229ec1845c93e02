"""Storage: what all kinds have in common."""

import contextlib
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from quick_retry import QUICK

from pasd_batch.config.storage import RetryPolicy, StorageSettings
from pasd_batch.storage.probe import empty_folders_removed, honours_create
from pasd_batch.storage.reading import read_uri
from pasd_batch.storage.retry import with_retries
from pasd_batch.storage.storage import (
    AlreadyExists,
    InvalidLocation,
    NotFound,
    Storage,
    StorageError,
    TooLarge,
    TransientStorageError,
)


@pytest.fixture(params=["local", "s3", "memory"])
def storage(request, tmp_path):
    match request.param:
        case "local":
            return Storage.open(str(tmp_path / "run"), StorageSettings(retry=QUICK))
        case "s3":
            request.getfixturevalue("s3")
            return Storage.open("s3://archive/some/run", StorageSettings(retry=QUICK))
    return Storage.open(
        f"memory://{tmp_path.name}", StorageSettings(retry=QUICK, allowed_schemes=frozenset({"memory"}))
    )


def test_a_file_is_moved_whole_and_in_place_of_what_is_there(storage):
    storage.write("images/ä/1.png", b"photo" * 1000)
    storage.write("damaged/images/ä/1.png", b"older")
    storage.move("images/ä/1.png", "damaged/images/ä/1.png")
    assert list(storage.list()) == ["damaged/images/ä/1.png"]
    assert storage.read("damaged/images/ä/1.png") == b"photo" * 1000
    storage.move("images/ä/1.png", "damaged/images/ä/1.png")  # what is not there any more was moved before
    assert storage.read("damaged/images/ä/1.png") == b"photo" * 1000
    with pytest.raises(InvalidLocation):
        storage.move("damaged/images/ä/1.png", "../out.png")


def test_what_is_written_is_read_listed_and_removed(storage):
    storage.write("b/two.bin", b"2")
    storage.write("b/c/three.bin", b"")
    storage.create("one.bin", b"1" * 3_000_000)
    storage.write("b/two.bin", b"22")

    assert storage.read("b/two.bin") == b"22"
    assert storage.read("b/c/three.bin", max_bytes=0) == b""
    assert storage.read("one.bin") == b"1" * 3_000_000
    assert sorted(storage.list()) == ["b/c/three.bin", "b/two.bin", "one.bin"]
    assert sorted(storage.list("b")) == ["b/c/three.bin", "b/two.bin"]
    assert list(storage.list("missing")) == []
    assert storage.exists("one.bin")
    assert not storage.exists("b")
    storage.delete("one.bin")
    storage.delete("one.bin")
    assert not storage.exists("one.bin")


def test_names_with_odd_characters_survive(storage):
    names = ["ä ö/ü%20+&.jpg", "a#b?c=1.jpg", "[x]*.jpg"]
    for name in names:
        storage.create(name, name.encode())
    assert sorted(storage.list()) == sorted(names)
    assert [storage.read(name) for name in names] == [name.encode() for name in names]


def test_a_create_never_overwrites(storage):
    storage.create("shard.parquet", b"mine")
    with pytest.raises(AlreadyExists, match=r"shard\.parquet"):
        storage.create("shard.parquet", b"mine")
    assert storage.read("shard.parquet") == b"mine"
    assert honours_create(storage)
    assert list(storage.list()) == ["shard.parquet"]


def test_of_many_threads_one_creates(storage):
    def attempt(number: int) -> bool:
        try:
            storage.create("one", str(number).encode())
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(attempt, range(32)))
    assert won.count(True) == 1
    assert storage.read("one") == str(won.index(True)).encode()


def test_missing_and_too_large_are_told_apart(storage):
    storage.write("big", b"x" * 1000)
    with pytest.raises(NotFound, match="missing"):
        storage.read("missing")
    with pytest.raises(TooLarge, match="1,000 bytes is more than the limit of 999"):
        storage.read("big", max_bytes=999)
    assert len(storage.read("big", max_bytes=1000)) == 1000


@pytest.mark.parametrize("path", ["../a", "a/../b", "/a", "", "a//b", "./a", "a/", "a\0b"])
def test_paths_cannot_leave_the_root(storage, path):
    for operation in (storage.read, storage.exists, storage.delete):
        with pytest.raises(InvalidLocation, match="not a plain relative path"):
            operation(path)
    with pytest.raises(InvalidLocation):
        storage.write(path, b"")
    with pytest.raises(InvalidLocation):
        storage.create(path, b"")


def test_storage_can_be_sent_to_another_process(storage):
    storage.write("a", b"1")
    copy = pickle.loads(pickle.dumps(storage))
    assert copy == storage
    assert copy.read("a") == b"1"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("ftp://host/a.jpg", "scheme 'ftp' is not allowed"),
        ("memory://a.jpg", "scheme 'memory' is not allowed"),
        ("", "not a path or URI"),
        ("s3://", "names no bucket"),
        ("file://host/a.jpg", "no host"),
        ("simplecache::s3://bucket/a", "neither a local path nor a URI"),
        ("s3://KEY:hush@bucket/a.jpg", r"s3://\*\*\*@bucket/a.jpg: accounts and credentials"),
    ],
)
def test_other_uris_are_refused(uri, message):
    with pytest.raises(InvalidLocation, match=message) as error:
        read_uri(uri)
    assert "hush" not in str(error.value)


def test_a_scheme_needs_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "gs", raising=False)
    with pytest.raises(StorageError, match=r"gs:// needs another package.*gcsfs"):
        Storage.open("gs://bucket/run")


def test_storage_is_imported_quickly():
    script = "import sys, pasd_batch.storage.storage; print('torch' in sys.modules, 's3fs' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(("failures", "warned"), [(2, 0), (7, 1), (8, 1)])
def test_trouble_that_takes_longer_than_a_moment_is_told_once(monkeypatch, caplog, failures, warned):
    clock, left = [0.0], [failures]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("time.sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))

    def operation() -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise TransientStorageError("s3://b/a: the connection failed")
        return "done"

    with caplog.at_level("WARNING"), contextlib.suppress(TransientStorageError):
        assert with_retries(RetryPolicy(), operation) == "done"
    assert len(caplog.messages) == warned
    assert all("s3://b/a: the connection failed (try " in message for message in caplog.messages)


def test_probes_of_a_place_that_is_not_there_leave_nothing(tmp_path):
    storage = Storage.open(str(tmp_path / "runs/one"))
    with empty_folders_removed(storage):
        assert honours_create(storage)
    assert list(tmp_path.iterdir()) == []
    with empty_folders_removed(storage):
        storage.write("kept", b"")
    assert [path.name for path in tmp_path.rglob("*")] == ["runs", "one", "kept"]
