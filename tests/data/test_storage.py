import errno
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pasd_batch.data.storage import (
    DEFAULT_SCHEMES,
    AlreadyExists,
    Forbidden,
    InvalidLocation,
    NotFound,
    RetryPolicy,
    Storage,
    StorageError,
    StorageFull,
    TooLarge,
    TransientStorageError,
    read_uri,
)

QUICK = RetryPolicy(attempts=4, first_delay=0.01, max_delay=0.05, timeout=5.0)


@pytest.fixture(params=["local", "s3", "memory"])
def storage(request, tmp_path):
    match request.param:
        case "local":
            return Storage.open(str(tmp_path / "run"), retry=QUICK)
        case "s3":
            request.getfixturevalue("s3")
            return Storage.open("s3://archive/some/run", retry=QUICK)
    return Storage.open(f"memory://{tmp_path.name}", retry=QUICK, allowed_schemes=frozenset({"memory"}))


def _times(number: int, trouble: str, method: str):
    """Trouble for the first so many requests with that method."""
    left = [number]

    def decide(environ):
        if environ["REQUEST_METHOD"] != method or left[0] == 0:
            return None
        left[0] -= 1
        return trouble

    return decide


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
    assert storage.honours_create()
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


def test_a_file_system_without_hard_links_is_named(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StorageError, match="no hard links"):
        Storage.open(str(tmp_path)).create("a", b"1")
    assert os.listdir(tmp_path) == []


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
        "from pasd_batch.data.storage import Storage, StorageError\n"
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
        "from pasd_batch.data.storage import Storage\n"
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


def test_throttling_is_tried_again(s3):
    storage = Storage.open("s3://archive", retry=QUICK)
    s3.trouble = _times(3, "503", "PUT")
    storage.create("a", b"1")
    s3.trouble = _times(3, "503", "GET")
    assert storage.read("a") == b"1"
    s3.trouble = _times(3, "503", "HEAD")
    assert storage.exists("a")
    s3.trouble = _times(3, "503", "GET")
    assert list(storage.list()) == ["a"]


def test_throttling_ends_after_the_limit(s3):
    storage = Storage.open("s3://archive", retry=QUICK)
    s3.trouble = lambda environ: "503"
    s3.requests.clear()
    with pytest.raises(TransientStorageError, match=r"s3://archive/a.*SlowDown.*gave up after 4 tries"):
        storage.create("a", b"1")
    assert len(s3.requests) == 4


def test_forbidden_and_missing_are_not_tried_again(s3):
    storage = Storage.open("s3://archive", retry=QUICK)
    s3.trouble = lambda environ: "403"
    s3.requests.clear()
    with pytest.raises(Forbidden, match="s3://archive/a"):
        storage.read("a")
    assert len(s3.requests) == 1
    s3.trouble = lambda environ: None
    with pytest.raises(NotFound):
        storage.read("a")
    with pytest.raises(NotFound, match="NoSuchBucket"):
        Storage.open("s3://no-such-bucket", retry=QUICK).write("a", b"")


def test_a_create_whose_answer_was_lost_succeeded(s3):
    storage = Storage.open("s3://archive", retry=QUICK)
    s3.trouble = _times(1, "drop", "PUT")
    storage.create("a", b"mine")
    assert storage.read("a") == b"mine"


@pytest.mark.parametrize("trouble", ["503", "drop"])
def test_a_create_that_failed_does_not_take_anothers_object_for_its_own(s3, trouble):
    storage = Storage.open("s3://archive", retry=QUICK)
    storage.create("a", b"the same bytes")
    s3.trouble = _times(1, trouble, "PUT")
    with pytest.raises(AlreadyExists):
        storage.create("a", b"the same bytes")


def test_a_create_without_marks_compares_bytes(tmp_path, monkeypatch):
    storage = Storage.open(f"memory://{tmp_path.name}", retry=QUICK, allowed_schemes=frozenset({"memory"}))
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


def test_a_body_cut_short_is_fetched_again(s3):
    storage = Storage.open("s3://archive", retry=QUICK)
    storage.write("a", b"0123456789" * 100)
    s3.trouble = _times(2, "short", "GET")
    assert storage.read("a") == b"0123456789" * 100


def test_a_store_that_ignores_the_condition_is_found_out(s3):
    storage = Storage.open("s3://archive", retry=QUICK)
    s3.trouble = lambda environ: "unconditional"
    assert not storage.honours_create()
    assert list(storage.list()) == []


def test_listings_are_fresh_and_longer_than_a_page(s3):
    storage = Storage.open("s3://archive/x", retry=QUICK)
    other = pickle.loads(pickle.dumps(storage))
    names = [f"{number:04d}" for number in range(1005)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: other.write(name, b""), names))
    assert sorted(storage.list()) == names
    other.write("later", b"1")
    assert storage.exists("later")
    assert len(list(storage.list())) == 1006


def test_a_dead_server_is_a_passing_trouble(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    retry = QUICK.model_copy(update={"timeout": 4.0})  # another timeout, another client
    with pytest.raises(TransientStorageError, match="check the network"):
        Storage.open("s3://archive", retry=retry).read("a")


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


def test_a_scheme_needs_its_package():
    with pytest.raises(StorageError, match=r"gs:// needs another package.*gcsfs"):
        Storage.open("gs://bucket/run")


def test_local_files_are_named_by_path_or_uri(tmp_path, monkeypatch):
    path = tmp_path / "a b%41.jpg"
    path.write_bytes(b"1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for uri in (str(path), path.as_uri(), path.name, f"~/{path.name}"):
        assert read_uri(uri) == b"1"
    assert Storage.open(".").uri("x/y") == str(tmp_path / "x/y")
    with pytest.raises(InvalidLocation, match="'file' is not allowed"):
        read_uri(str(path), allowed_schemes=DEFAULT_SCHEMES - {"file"})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_local_permissions_are_forbidden(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "a").chmod(0)
    with pytest.raises(Forbidden):
        read_uri(str(tmp_path / "a"))


class _Web(BaseHTTPRequestHandler):
    calls = 0

    def do_GET(self):
        type(self).calls += 1
        match self.path.partition("?")[0]:
            case "/ok%20name.jpg":
                self._answer(200, b"photo")
            case "/endless.jpg":
                self.send_response(200)
                self.end_headers()
                while True:
                    try:
                        self.wfile.write(b"x" * 65536)
                    except OSError:
                        return
            case "/busy.jpg":
                self._answer(429, b"")
            case "/forbidden.jpg":
                self._answer(403, b"")
            case "/slow.jpg":
                time.sleep(3)
            case _:
                self._answer(404, b"")

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        return


@pytest.fixture
def web():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_photos_come_over_http(web):
    assert read_uri(f"http://{web}/ok%20name.jpg", retry=QUICK) == b"photo"
    assert Storage.open(f"http://{web}", retry=QUICK).read("ok name.jpg", max_bytes=5) == b"photo"
    with pytest.raises(TooLarge, match="limit of 4"):
        read_uri(f"http://{web}/ok%20name.jpg", max_bytes=4, retry=QUICK)
    with pytest.raises(TooLarge, match="limit of 1,000,000"):
        read_uri(f"http://{web}/endless.jpg", max_bytes=1_000_000, retry=QUICK)
    with pytest.raises(NotFound):
        read_uri(f"http://{web}/none.jpg", retry=QUICK)
    with pytest.raises(TransientStorageError, match="gave up after 2 tries"):
        read_uri(f"http://{web}/slow.jpg", retry=RetryPolicy(attempts=2, first_delay=0, timeout=0.3))
    with pytest.raises(StorageError, match="can only be read"):
        Storage.open(f"http://{web}").write("a", b"")
    with pytest.raises(StorageError, match="no listing"):
        list(Storage.open(f"http://{web}").list())


@pytest.mark.parametrize(("name", "kind"), [("busy", TransientStorageError), ("forbidden", Forbidden)])
def test_secrets_stay_out_of_messages(web, name, kind, caplog):
    caplog.set_level("DEBUG", logger="pasd_batch")
    uri = f"http://user:hush@{web}/{name}.jpg?width=5&X-Amz-Signature=hush&token=hush"
    with pytest.raises(kind) as error:
        read_uri(uri, retry=QUICK)
    assert "hush" not in str(error.value) + caplog.text
    assert error.value.__suppress_context__
    assert f"***@{web}/{name}.jpg?width=5" in str(error.value)


def test_storage_is_imported_quickly():
    script = "import sys, pasd_batch.data.storage; print('torch' in sys.modules, 's3fs' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
