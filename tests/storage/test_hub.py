"""Weights on the hub, through the real client against a server that speaks its protocol."""

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from hub_server import HubServer
from huggingface_hub import constants

from pasd_batch.config.weights import HubName
from pasd_batch.storage.errors import Forbidden, InvalidLocation, NotFound, StorageFull, TransientStorageError
from pasd_batch.storage.hub import HubFiles

BIG = bytes(range(256)) * 8000
FILES = {
    "README.md": b"# a model",
    "pasd/unet/config.json": b"{}",
    "pasd/unet/diffusion_pytorch_model.safetensors": BIG,
    "pasd_light/unet/config.json": b'{"light": true}',
    "one.safetensors": b"one",
}


def at(text: str) -> HubFiles:
    return HubFiles(HubName.parse(text))


def test_only_what_is_asked_for_is_fetched_and_only_once(hub):
    hub.push("owner/model", FILES)
    files = at("hf://owner/model/pasd")
    assert files.files() == {"unet/config.json": 2, "unet/diffusion_pytorch_model.safetensors": len(BIG)}
    folder = files.fetch(["unet/config.json", "unet/diffusion_pytorch_model.safetensors"])
    assert (folder / "unet" / "diffusion_pytorch_model.safetensors").read_bytes() == BIG
    assert not (folder.parent / "README.md").exists()
    assert at("hf://owner/model/pasd").fetch(files.files()) == folder
    assert hub.sent == {"pasd/unet/config.json": 1, "pasd/unet/diffusion_pytorch_model.safetensors": 1}


def test_a_name_may_be_that_of_a_single_file(hub):
    hub.push("owner/model", FILES)
    files = at("hf://owner/model/one.safetensors")
    assert files.files() == {"": 3}
    assert files.fetch([""]).read_bytes() == b"one"


def test_a_pinned_name_stays_where_it_is_when_the_branch_moves(hub):
    first = hub.push("owner/model", FILES)
    pinned = at("hf://owner/model@main/pasd").pinned()
    assert pinned == f"hf://owner/model@{first}/pasd"
    second = hub.push("owner/model", FILES | {"pasd/unet/config.json": b"another"})
    assert at("hf://owner/model").pinned() == f"hf://owner/model@{second}"
    assert at(pinned).pinned() == pinned
    assert (at(pinned).fetch(["unet/config.json"]) / "unet" / "config.json").read_bytes() == b"{}"


def test_what_is_here_needs_no_network(hub, monkeypatch):
    hub.push("owner/model", FILES)
    before = at("hf://owner/model/pasd").fetch(["unet/config.json"])
    pinned = at("hf://owner/model/pasd").pinned()
    asked = len(hub.asked)
    assert at(pinned).fetch(["unet/config.json"]) == before
    assert len(hub.asked) == asked, "nothing is asked about a commit that is here"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert at("hf://owner/model/pasd").pinned() == pinned
    assert at(pinned).files().keys() == {"unet/config.json", "unet/diffusion_pytorch_model.safetensors"}
    assert at(pinned).fetch(["unet/config.json"]) == before
    assert len(hub.asked) == asked


def test_offline_it_is_said_what_is_missing_and_what_to_do(hub, monkeypatch):
    hub.push("owner/model", FILES)
    at("hf://owner/model/pasd").fetch(["unet/config.json"])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for missing in ("hf://owner/another", "hf://owner/model@v2"):
        with pytest.raises(NotFound, match=r"cache.*HF_HUB_OFFLINE is set: unset it, or .*pasd-batch weights fetch"):
            at(missing).pinned()
    with pytest.raises(NotFound, match=r"not, or not all, in this machine's cache"):
        at("hf://owner/model/pasd").fetch(["unet/diffusion_pytorch_model.safetensors"])


def test_a_transfer_that_is_cut_goes_on(hub):
    hub.push("owner/model", FILES)
    hub.cut_once.add("pasd/unet/diffusion_pytorch_model.safetensors")
    folder = at("hf://owner/model/pasd").fetch(["unet/diffusion_pytorch_model.safetensors"])
    assert (folder / "unet" / "diffusion_pytorch_model.safetensors").read_bytes() == BIG
    assert not hub.cut_once
    assert hub.sent["pasd/unet/diffusion_pytorch_model.safetensors"] == 2


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("hf://owner/nothing", r"no such repository, or a private one; check the name, or set HF_TOKEN"),
        ("hf://owner/model@v9", r"no such revision; http://127.0.0.1:\d+/owner/model lists its branches"),
        ("hf://owner/model/pasd_rrdb", r"no such folder or file .* has README.md, one.safetensors, pasd, pasd_light"),
    ],
)
def test_what_is_not_there_is_told_with_its_remedy(hub, name, told):
    hub.push("owner/model", FILES)
    with pytest.raises(NotFound, match=told) as refused:
        at(name).files()
    assert name in str(refused.value)


def test_a_gated_repository_says_where_its_licence_is_accepted(hub, monkeypatch):
    hub.push("owner/model", FILES)
    hub.repositories["owner/model"].gated = True
    with pytest.raises(Forbidden, match=r"accept its licence at http://127.0.0.1:\d+/owner/model and set HF_TOKEN"):
        at("hf://owner/model").fetch(["one.safetensors"])
    monkeypatch.setenv("HF_TOKEN", "accepted")
    assert (at("hf://owner/model").fetch(["one.safetensors"]) / "one.safetensors").read_bytes() == b"one"
    assert "Bearer accepted" in hub.tokens


def test_a_hub_that_cannot_be_reached_is_named_and_no_secret_is(hub, monkeypatch, caplog):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(constants, "ENDPOINT", "http://me:hub_secret@127.0.0.1:1")
    with pytest.raises(TransientStorageError, match=r"@127.0.0.1:1 cannot be reached .*HTTPS_PROXY") as refused:
        at("hf://owner/model").files()
    assert "_secret" not in str(refused.value) + caplog.text


def test_a_full_disk_is_told_as_such(hub, monkeypatch):
    hub.push("owner/model", FILES)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(StorageFull, match=r"no space left for it in .*cache; free some, or .* with HF_HOME"):
        at("hf://owner/model").fetch(["one.safetensors"])


def test_what_is_no_name_of_a_repository_is_refused():
    with pytest.raises(InvalidLocation, match="no name of a repository"):
        at("hf://-owner/model..x").fetch(["a"])


TEN = """
    import multiprocessing
    from huggingface_hub import snapshot_download
    from pasd_batch.config.weights import HubName
    from pasd_batch.storage.hub import HubFiles

    def fetch(_):
        files = HubFiles(HubName.parse(HubFiles(HubName.parse("hf://owner/model/pasd")).pinned()))
        return str(files.fetch(list(files.files())))

    if __name__ == "__main__":
        with multiprocessing.get_context("fork").Pool(10) as pool:
            print("\\n".join(pool.map(fetch, range(10), chunksize=1)))
"""


def started(hub: HubServer, home: Path, program: str, **more: str) -> subprocess.Popen:
    """A process whose environment alone turns the client to the server."""
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", **more}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_ten_processes_at_once_fetch_once(hub, tmp_path):
    hub.push("owner/model", FILES)
    process = started(hub, tmp_path / "home", TEN)
    told, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert len(told.split()) == 10
    (folder,) = set(told.split())
    assert (Path(folder) / "unet" / "diffusion_pytorch_model.safetensors").read_bytes() == BIG
    assert hub.sent == {"pasd/unet/config.json": 1, "pasd/unet/diffusion_pytorch_model.safetensors": 1}


ONE = """
    from pasd_batch.config.weights import HubName
    from pasd_batch.storage.hub import HubFiles

    print(HubFiles(HubName.parse("hf://owner/model/pasd")).fetch(["unet/diffusion_pytorch_model.safetensors"]))
"""


def test_a_fetch_that_is_killed_leaves_nothing_half(hub, tmp_path):
    hub.push("owner/model", FILES)
    stalled = hub.stalled["pasd/unet/diffusion_pytorch_model.safetensors"] = threading.Event()
    process = started(hub, tmp_path / "home", ONE)
    assert stalled.wait(60)
    process.kill()
    process.communicate()
    hub.released.set()
    assert not list((tmp_path / "home").rglob("*.safetensors"))
    again = started(hub, tmp_path / "home", ONE)
    told, errors = again.communicate(timeout=60)
    assert again.returncode == 0, errors
    assert (Path(told.strip()) / "unet" / "diffusion_pytorch_model.safetensors").read_bytes() == BIG
