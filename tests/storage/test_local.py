"""Local files: links, full disks, killed writers."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time

import pytest
from quick_retry import QUICK

from pasd_batch.config.storage import DEFAULT_SCHEMES, StorageSettings
from pasd_batch.storage.reading import read_uri
from pasd_batch.storage.storage import (
    AlreadyExists,
    Forbidden,
    InvalidLocation,
    NotFound,
    Storage,
    StorageError,
    StorageFull,
)


def test_links_in_a_circle_are_refused_by_name(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    storage = Storage.open(str(tmp_path / "loop" / "run"))
    for operation in (
        lambda: read_uri(str(tmp_path / "loop")),
        lambda: storage.read("a"),
        lambda: storage.write("a", b""),
    ):
        with pytest.raises(InvalidLocation, match="links lead in a circle"):
            operation()


def test_a_nul_in_a_percent_encoded_path_is_refused_by_name():
    with pytest.raises(InvalidLocation, match="NUL"):
        read_uri("file:///a%00b")


def test_links_out_of_the_root_are_refused(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_bytes(b"secret")
    storage = Storage.open(str(tmp_path / "run"))
    storage.write("real", b"real")
    (tmp_path / "run" / "folder").symlink_to(tmp_path / "secret")
    (tmp_path / "run" / "link").symlink_to(tmp_path / "secret" / "file")
    (tmp_path / "run" / "inner").symlink_to("real")

    with pytest.raises(InvalidLocation, match="leads out of"):
        storage.read("folder/file")
    with pytest.raises(InvalidLocation, match="leads out of"):
        storage.read("link")
    with pytest.raises(InvalidLocation, match="leads out of"):
        storage.write("folder/new", b"")
    assert storage.read("inner") == b"real"
    assert os.listdir(tmp_path / "secret") == ["file"]


def test_one_folder_may_be_a_link_to_another_disk_if_it_is_named(tmp_path):
    root, disk = tmp_path / "run", tmp_path / "disk"
    root.mkdir()
    disk.mkdir()
    (root / "pictures").symlink_to(disk)
    (root / "other").symlink_to(disk)
    (disk / "out").symlink_to(tmp_path)
    storage = Storage.open(str(root), linked_folder="pictures")
    storage.write("pictures/a.png", b"a")
    assert list(storage.list("pictures")) == ["pictures/a.png"]
    for path in ("other/a.png", "pictures/out/a.png"):
        with pytest.raises(InvalidLocation, match="leads out of"):
            storage.write(path, b"a")
    with pytest.raises(InvalidLocation, match="leads out of"):
        Storage.open(str(root)).read("pictures/a.png")


def test_a_file_system_without_hard_links_is_named(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StorageError, match="no hard links"):
        Storage.open(str(tmp_path)).create("a", b"1")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["x" * 255, "\u5199" * 85])
def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path, name):
    storage = Storage.open(str(tmp_path))
    storage.write(name, b"1")
    storage.create(f"folder/{name}", b"2")
    assert (storage.read(name), storage.read(f"folder/{name}")) == (b"1", b"2")


def test_a_folder_or_device_is_not_read(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    storage = Storage.open(str(tmp_path))
    for name in ("folder", "pipe"):
        with pytest.raises(StorageError, match="give the path of a file"):
            storage.read(name)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's always-full device")
def test_a_full_disk_says_so(tmp_path, monkeypatch):
    opened = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="No space") as error:
            os.write(opened, b"x")
    finally:
        os.close(opened)

    def full(descriptor):
        raise error.value

    monkeypatch.setattr(os, "fsync", full)
    storage = Storage.open(str(tmp_path))
    for operation in (storage.write, storage.create):
        with pytest.raises(StorageFull, match=r"ENOSPC.*free some space"):
            operation("a/b", b"x" * 100)
    assert os.listdir(tmp_path / "a") == []


def test_a_file_over_the_quota_leaves_nothing_behind(tmp_path):
    script = (
        "import sys, resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from pasd_batch.storage.storage import Storage, StorageError\n"
        "storage = Storage.open(sys.argv[1])\n"
        "for operation in (storage.write, storage.create):\n"
        "    try: operation('a', bytes(200_000))\n"
        "    except StorageError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.count("EFBIG") == 2, done.stderr
    assert os.listdir(tmp_path) == []
    assert resource.RLIMIT_FSIZE is not None


def test_a_killed_writer_leaves_whole_files_only(tmp_path):
    script = (
        "import sys, itertools\n"
        "from pasd_batch.storage.storage import Storage\n"
        "storage = Storage.open(sys.argv[1])\n"
        "for number in itertools.count():\n"
        "    storage.write('same', bytes([number % 256]) * 2_000_000)\n"
        "    storage.create(str(number), bytes([number % 256]) * 2_000_000)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
    deadline = time.monotonic() + 60
    while not (tmp_path / "3").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()

    storage = Storage.open(str(tmp_path))
    names = list(storage.list())
    assert len(names) >= 5
    for name in names:
        data = storage.read(name)
        assert data == bytes([data[0]]) * 2_000_000
    storage.remove_partial(older_than=0.0)
    assert sorted(os.listdir(tmp_path)) == sorted(names)


def test_folders_are_listed_by_name_and_each_before_those_below_it(tmp_path):
    paths = ["b.jpg", "z.jpg", "a/2.jpg", "a/deep/1.jpg", "c/1.jpg", "d/1.jpg"]
    for path in reversed(paths):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert list(Storage.open(str(tmp_path)).list()) == paths


def test_a_create_without_marks_compares_bytes(tmp_path, monkeypatch):
    storage = Storage.open(
        f"memory://{tmp_path.name}", StorageSettings(retry=QUICK, allowed_schemes=frozenset({"memory"}))
    )
    filesystem, left = storage.files.filesystem, [1]
    pipe_file = filesystem.pipe_file

    def answer_lost(*args, **options):
        pipe_file(*args, **options)
        if left.pop() == 1:
            raise ConnectionResetError(errno.ECONNRESET, "reset")

    monkeypatch.setattr(filesystem, "pipe_file", answer_lost)
    storage.create("a", b"mine")
    left.append(0)
    with pytest.raises(AlreadyExists):
        storage.create("a", b"mine")


def test_local_files_are_named_by_path_or_uri(tmp_path, monkeypatch):
    path = tmp_path / "a b%41.jpg"
    path.write_bytes(b"1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for uri in (str(path), path.as_uri(), path.name, f"~/{path.name}"):
        assert read_uri(uri) == b"1"
    assert Storage.open(".").uri("x/y") == str(tmp_path / "x/y")
    with pytest.raises(InvalidLocation, match="'file' is not allowed"):
        read_uri(str(path), StorageSettings(allowed_schemes=DEFAULT_SCHEMES - {"file"}))


@pytest.mark.parametrize(("name", "told"), [("b.png ", "'b.png '"), (" a/b.png", "' a'"), ("a b/c.png", None)])
def test_a_missing_name_with_a_space_at_an_end_shows_it(tmp_path, name, told):
    with pytest.raises(NotFound) as missing:
        Storage.open(str(tmp_path)).read(name)
    assert ("begins or ends with a space" in str(missing.value)) is (told is not None)
    assert told is None or f"; {told} begins or ends with a space" in str(missing.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_local_permissions_are_forbidden(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "a").chmod(0)
    with pytest.raises(Forbidden):
        read_uri(str(tmp_path / "a"))
