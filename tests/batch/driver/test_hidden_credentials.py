"""Photos whose addresses have credentials: a run fetches them, and nothing that it writes or logs shows any."""

import contextlib
import csv
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from photo_archive import begin_run, picture, results, store_photos

from pasd_batch.batch.worker.shard_worker import ShardState, ShardWorker
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.cli import main
from pasd_batch.runs.run_file import RunFile
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.runs.summary import summarize

SECRETS = ["pa55word", "s1gnature", "webt0ken", "c0de", "fr4gment"]
"""What stands in addresses and nowhere else."""


class _Gallery(BaseHTTPRequestHandler):
    """Serves a photo to whoever has the right word, and refuses everybody else."""

    def do_GET(self) -> None:
        number = int(self.path[1])
        words = ["/0/", "sig=s1gnature", ";jwt=webt0ken", "code=c0de", "nobody has it"]
        allowed = words[number] in self.path
        body = picture(number) if allowed else b"no"
        self.send_response(200 if allowed else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        return


@pytest.fixture
def gallery() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Gallery)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def begin(root: Path, manifest: Path) -> tuple[WorkerSpec, RunFolder, RunFile]:
    """A run that may fetch from the gallery."""
    return begin_run(root, manifest, storage={"allowed_schemes": ["file", "http"], "allowed_hosts": ["127.0.0.1"]})


def everything_in(folder: Path) -> str:
    """All that the files hold: as they are, and Parquet also as the values and metadata in it."""
    parts = []
    for path in filter(Path.is_file, folder.rglob("*")):
        parts.append(f"{path} {path.read_bytes().decode('latin-1')}")
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            parts.append(f"{file.read().to_pylist()} {file.schema_arrow.metadata} {file.metadata.metadata}")
    return "\n".join(parts)


def test_nothing_of_a_run_shows_what_fetching_its_photos_takes(gallery, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    uris = [
        f"http://me:pa55word@{gallery}/0/a.png",
        f"http://{gallery}/1/a.png?sig=s1gnature",
        f"http://{gallery}/2/a.png;jwt=webt0ken",
        f"http://{gallery}/3/a.png?name=x&code=c0de#fr4gment",
        f"http://me:pa55word@{gallery}/4/a.png;jwt=webt0ken?sig=s1gnature&code=c0de#fr4gment",
    ]
    with (tmp_path / "m.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["uri", "reference_uri", "album"], *([uri, uris[1], "A"] for uri in uris)])
    root = tmp_path / "run"
    spec, folder, run = begin(root, tmp_path / "m.csv")
    outcome = ShardWorker(spec).run(0)
    assert (outcome.state, outcome.failed) == (ShardState.COMMITTED, 1)
    rows = list(results(root).values())
    assert [row["status"] for row in rows] == ["ok"] * 4 + ["failed"]
    assert rows[4]["error_type"] == "Forbidden"
    assert rows[4]["uri"].startswith(f"http://***@{gallery}/4/a.png;***?sig=***&code=***")
    summarize(folder, run)
    web = ["--scheme", "file", "--scheme", "http", "--host", "127.0.0.1"]
    assert main(["report", str(root), *web]) == 0
    assert main(["status", str(root), *web]) == 0
    out, error = capfd.readouterr()
    assert (root / "report/contact_sheet.png").exists(), "its photos are fetched once more"
    texts = {"the run folder": everything_in(root), "the log": caplog.text, "the terminal": out + error}
    assert "/4/a.png" in texts["the run folder"]
    assert "/4/a.png" in texts["the log"]
    shown = [(secret, place) for place, text in texts.items() for secret in SECRETS if secret in text]
    assert shown == []


def test_the_failures_of_a_run_can_be_fetched_again(gallery, tmp_path):
    """What is listed for a new run is a manifest: it holds whole addresses, and lies where it was asked for."""
    (tmp_path / "m.csv").write_text(f"uri,album\nhttp://{gallery}/4/a.png?sig=s1gnature,A\n")
    spec, *_ = begin(tmp_path / "run", tmp_path / "m.csv")
    ShardWorker(spec).run(0)
    web = ["--scheme", "file", "--scheme", "http", "--host", "127.0.0.1"]
    with contextlib.chdir(tmp_path):
        assert main(["manifest", "--failures-of", "run", "-o", "failed.parquet", *web]) == 0
    assert pq.read_table(tmp_path / "failed.parquet")["uri"].to_pylist() == [f"http://{gallery}/4/a.png?sig=s1gnature"]
    assert "s1gnature" not in everything_in(tmp_path / "run")


def test_names_of_local_files_are_shown_as_they_are(tmp_path):
    names = ["x?code=12.png", "x?code=13.png", "rock & monkey=3#a.png"]
    store_photos(tmp_path / "in", {name: picture(number) for number, name in enumerate(names)})
    with (tmp_path / "m.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["uri", "album"], *([f"in/{name}", "A"] for name in names)])
    spec, *_ = begin(tmp_path / "run", tmp_path / "m.csv")
    assert ShardWorker(spec).run(0).failed == 0
    rows = results(tmp_path / "run").values()
    assert [row["uri"] for row in rows] == [f"{tmp_path}/in/{name}" for name in names]
    assert [row["output_path"] for row in rows] == names
