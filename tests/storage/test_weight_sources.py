"""Weights in object stores and on web servers, kept in a cache of the machine."""

import hashlib
import json
import multiprocessing
import os
import signal
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from quick_retry import QUICK

from pasd_batch.config.storage import StorageSettings
from pasd_batch.config.weights import INDEX
from pasd_batch.storage import storage as storage_module
from pasd_batch.storage import weights_cache
from pasd_batch.storage.errors import Forbidden, InvalidLocation, NotFound, StorageFull, TransientStorageError
from pasd_batch.storage.storage import Storage
from pasd_batch.storage.weight_sources import weight_source
from pasd_batch.storage.weights_cache import cache_folder

ACCESS = StorageSettings(retry=QUICK, allowed_hosts=frozenset({"127.0.0.1"}))
BIG = bytes(range(256)) * 4000
FILES = {"unet/config.json": b"{}", "unet/model.safetensors": BIG, "vae/config.json": b"[]"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PASD_BATCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def bucket(s3):
    storage = Storage.open("s3://archive/weights", StorageSettings(retry=QUICK))
    for name, data in FILES.items():
        storage.write(name, data)
    s3.requests.clear()
    return s3


def gets(server) -> list[str]:
    return [each for each in server.requests if each.startswith("GET /archive/weights/") and not each.endswith(INDEX)]


def source(address: str):
    return weight_source(address, ACCESS)


def test_a_folder_in_a_bucket_is_fetched_once(bucket, monkeypatch):
    monkeypatch.setattr(storage_module, "_PIECE", 300_000)
    weights = source("s3://archive/weights/")
    assert weights.files() == {name: len(data) for name, data in FILES.items()}
    folder = weights.fetch(["unet/config.json", "unet/model.safetensors"])
    assert (folder / "unet" / "model.safetensors").read_bytes() == BIG
    assert sorted(each.name for each in folder.rglob("*") if each.is_file()) == ["config.json", "model.safetensors"]
    fetched = len(gets(bucket))
    assert fetched == 1 + 4, "the large one in pieces"
    assert weights.fetch(["unet/config.json", "unet/model.safetensors"]) == folder
    assert len(gets(bucket)) == fetched


def test_what_has_changed_there_is_fetched_anew(bucket):
    before = source("s3://archive/weights").fetch(["unet/config.json"])
    Storage.open("s3://archive/weights", StorageSettings(retry=QUICK)).write("unet/config.json", b"[]")
    after = source("s3://archive/weights").fetch(["unet/config.json"])
    assert (before / "unet" / "config.json").read_bytes() == b"{}"
    assert (after / "unet" / "config.json").read_bytes() == b"[]"


def test_a_single_file_keeps_its_name(bucket):
    weights = source("s3://archive/weights/unet/model.safetensors")
    assert weights.files() == {"": len(BIG)}
    path = weights.fetch([""])
    assert (path.name, path.read_bytes()) == ("model.safetensors", BIG)


def test_a_store_that_is_busy_or_drops_the_connection_is_asked_again(bucket):
    troubles = iter(["503", "drop", "503"])
    bucket.trouble = lambda environ: next(troubles, None) if environ["REQUEST_METHOD"] == "GET" else None
    folder = source("s3://archive/weights").fetch(["unet/model.safetensors"])
    assert (folder / "unet" / "model.safetensors").read_bytes() == BIG


def test_a_fetch_that_failed_leaves_nothing_that_is_taken_for_weights_and_goes_on_where_it_was(bucket, cache):
    bucket.trouble = lambda environ: "403" if environ["PATH_INFO"].endswith("model.safetensors") else None
    with pytest.raises(Forbidden):
        source("s3://archive/weights").fetch(FILES)
    bucket.trouble = lambda environ: (
        "503" if "model" in environ["PATH_INFO"] and environ["REQUEST_METHOD"] == "GET" else None
    )
    with pytest.raises(TransientStorageError):
        source("s3://archive/weights").fetch(FILES)
    (home,) = (cache / "weights").iterdir()
    assert [each.name for each in home.iterdir() if each.is_dir() and not each.name.endswith(".pasd-partial")] == []
    bucket.trouble = lambda environ: None
    bucket.requests.clear()
    folder = source("s3://archive/weights").fetch(FILES)
    assert {each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()} == FILES.keys()
    assert sum("unet/config.json" in each for each in gets(bucket)) == 0


def fetched(address: str) -> str:
    return str(source(address).fetch(["unet/model.safetensors"]))


def test_ten_processes_at_once_fetch_once(served, cache):
    with multiprocessing.get_context("fork").Pool(10) as pool:
        folders = set(pool.map(fetched, [f"{served.url}/mirror"] * 10, chunksize=1))
    (folder,) = folders
    assert (Path(folder) / "unet" / "model.safetensors").read_bytes() == BIG
    assert served.sent.count("/mirror/unet/model.safetensors") == 1


def test_a_process_that_is_killed_while_it_fetches_holds_up_nobody(served, cache):
    stalled = served.stall("/mirror/unet/model.safetensors")
    process = multiprocessing.get_context("fork").Process(target=fetched, args=(f"{served.url}/mirror",))
    process.start()
    assert stalled.wait(30)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    served.released.set()
    folder = Path(fetched(f"{served.url}/mirror"))
    assert (folder / "unet" / "model.safetensors").read_bytes() == BIG
    assert not list(cache.rglob("*.safetensors.pasd-partial"))


class Served:
    """A web server over a folder, which lists nothing."""

    def __init__(self, folder: Path) -> None:
        self.sent: list[str] = []
        self.released = threading.Event()
        self._stalled: dict[str, threading.Event] = {}
        served = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                served.sent.append(self.path)
                super().do_GET()

            def copyfile(self, source, outputfile) -> None:
                if self.path in served._stalled:
                    outputfile.write(source.read(1000))
                    outputfile.flush()
                    served._stalled.pop(self.path).set()
                    served.released.wait(30)
                super().copyfile(source, outputfile)

            def list_directory(self, path) -> None:
                self.send_error(404)

            def log_message(self, *_) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stall(self, path: str) -> threading.Event:
        self._stalled[path] = threading.Event()
        return self._stalled[path]

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def served(tmp_path):
    folder = tmp_path / "served" / "mirror"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    index = [
        {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in FILES.items()
    ]
    (folder / INDEX).write_text(json.dumps(index))
    (tmp_path / "served" / "lora.safetensors").write_bytes(b"lora")
    (tmp_path / "served" / "bare").mkdir()
    server = Served(tmp_path / "served")
    yield server
    server.stop()


def test_a_web_server_has_single_files_and_folders_with_an_index(served):
    weights = source(f"{served.url}/lora.safetensors")
    assert weights.files() == {"": 4}
    assert weights.fetch([""]).read_bytes() == b"lora"
    mirror = source(f"{served.url}/mirror")
    assert mirror.files() == {name: len(data) for name, data in FILES.items()}
    assert (mirror.fetch(FILES) / "vae" / "config.json").read_bytes() == b"[]"
    with pytest.raises(InvalidLocation, match=r"web servers do not list folders, and there is no weights\.json"):
        source(f"{served.url}/bare").files()


def test_what_is_not_what_the_index_says_is_not_kept(served, tmp_path, cache):
    (tmp_path / "served" / "mirror" / "unet" / "model.safetensors").write_bytes(BIG[:-1] + b"x")
    with pytest.raises(TransientStorageError, match=r"unet/model.safetensors is not what its index says"):
        source(f"{served.url}/mirror").fetch(FILES)
    assert not list(cache.rglob("*.safetensors*"))


def test_private_hosts_stay_closed_unless_they_are_named(served):
    with pytest.raises(InvalidLocation, match=r"name it in storage.allowed_hosts"):
        weight_source(f"{served.url}/lora.safetensors", StorageSettings(retry=QUICK)).files()


def test_secrets_in_an_address_are_not_told(served):
    with pytest.raises(NotFound) as refused:
        source(f"{served.url}/gone.safetensors?token=secret").files()
    assert "secret" not in str(refused.value) + str(source("https://me:secret@host/a.safetensors"))


def test_a_local_folder_is_used_where_it_is(tmp_path):
    (tmp_path / "model" / "unet").mkdir(parents=True)
    (tmp_path / "model" / "unet" / "config.json").write_text("{}")
    for weights in (tmp_path / "model", (tmp_path / "model").as_uri()):
        local = weight_source(weights, ACCESS)
        assert local.files() == {"unet/config.json": 2}
        assert local.fetch(["unet/config.json"]) == tmp_path / "model"
        assert local.pinned() == str(weights)
    with pytest.raises(NotFound, match="no such folder or file"):
        weight_source(tmp_path / "nothing", ACCESS).files()


def test_a_full_disk_names_the_cache_and_how_to_move_it(bucket, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Storage, "download", full)
    with pytest.raises(StorageFull, match=r"cache: no space left for weights; .*PASD_BATCH_CACHE"):
        source("s3://archive/weights").fetch(["unet/config.json"])


def test_the_cache_lies_where_the_environment_says(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv(weights_cache.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == Path("/xdg/pasd_batch")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path("~/.cache/pasd_batch").expanduser()
