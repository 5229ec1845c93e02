"""Log lines as JSON: what each is about, in whichever thread and process, and nothing that is secret."""

import dataclasses
import io
import json
import logging
import subprocess
import sys
from argparse import Namespace

import pytest
from photo_archive import BAD, picture, record, settings, spec, store_photos, write_plan

from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.run import RunReport
from pasd_batch.batch.driver.shard_pool import _ShardActor
from pasd_batch.batch.worker.log_lines import CONTEXT, JsonFormatter, LogFormat, log_as, log_context, log_format_in_use
from pasd_batch.batch.worker.process_name import process_name
from pasd_batch.batch.worker.shard_worker import ShardWorker
from pasd_batch.cli.driving import drive
from pasd_batch.storage.redaction import without_secrets

KEYS = ["time", "level", "logger", "message", *CONTEXT, "worker", "error"]


@pytest.fixture
def lines():
    """Gives the lines that were written since the test began, as objects."""
    stream, logger = io.StringIO(), logging.getLogger("pasd_batch")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def root_logger():
    root, package = logging.getLogger(), logging.getLogger("pasd_batch")
    before, levels = list(root.handlers), (root.level, package.level)
    yield root
    root.handlers[:] = before
    root.setLevel(levels[0])
    package.setLevel(levels[1])


def test_every_line_of_a_shard_names_run_shard_photo_and_worker(tmp_path, lines):
    store_photos(tmp_path / "in", {"good.png": picture(1), "bad.png": BAD["corrupt"]})
    root = tmp_path / "run"
    write_plan(root, [record(tmp_path / "in" / name) for name in ("good.png", "bad.png", "gone.png")])
    assert ShardWorker(spec(settings(root))).run(0).failed == 2
    found = lines()
    assert found
    assert all(list(line) == KEYS for line in found)
    assert {(line["run"], line["shard"], line["worker"]) for line in found} == {(str(root), 0, process_name())}
    failed = {line["photo"]: line for line in found if "failed in" in line["message"]}
    assert {(name, line["stage"]) for name, line in failed.items()} == {("bad.png", "decode"), ("gone.png", "fetch")}
    assert "Traceback" in failed["bad.png"]["error"]


def test_lines_about_nothing_in_particular_have_the_same_keys(lines):
    logging.getLogger("pasd_batch.anything").warning("two\nlines of %s", "text")
    (line,) = lines()
    assert list(line) == KEYS
    assert line["message"] == "two\nlines of text"
    assert [line[name] for name in CONTEXT] == [None] * len(CONTEXT)


def test_what_lines_are_about_ends_with_its_block(lines):
    logger = logging.getLogger("pasd_batch.anything")
    with log_context(run="/run", shard=3):
        with log_context(photo=["a", "b"]):
            logger.warning("inner")
        logger.warning("outer")
    logger.warning("after")
    assert [(line["shard"], line["photo"]) for line in lines()] == [(3, ["a", "b"]), (3, None), (None, None)]


def test_no_line_has_a_secret(lines, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefgh")
    logger = logging.getLogger("pasd_batch.anything")
    try:
        raise ValueError("cannot open https://user:pass@host/a.jpg?token=abc with hf_abcdefgh")
    except ValueError:
        with log_context(run="s3://key:word@bucket/run", photo=["https://host/a?sig=xyz"]):
            logger.exception("wJalrXUtnFEMI/K7MDENG was refused by (https://host/b?sig=xyz).")
    (line,) = lines()
    text = json.dumps(line)
    for secret in ("wJalrXUtnFEMI", "hf_abcdefgh", "user:pass", "token=abc", "sig=xyz", "key:word"):
        assert secret not in text
    assert line["message"] == "*** was refused by (https://host/b?sig=***)."


@pytest.mark.parametrize("text", ["plain", "s3://bucket/a/b.jpg, and /mnt/a:b", "at 12:30 (see gs://b/c)."])
def test_text_without_secrets_stays_as_it_is(text, monkeypatch):
    monkeypatch.setenv("SHORT_TOKEN", "b")
    monkeypatch.setenv("TOKEN_PATH", "/mnt/a:b")
    assert without_secrets(text) == text


def test_workers_log_as_their_driver_does(tmp_path, root_logger):
    run_spec = spec(settings(tmp_path / "run"))
    _ShardActor(run_spec, board=None)
    assert log_format_in_use() is LogFormat.TEXT
    _ShardActor(dataclasses.replace(run_spec, logs_json=True), board=None)
    assert log_format_in_use() is LogFormat.JSON
    log_as(LogFormat.JSON)
    assert log_format_in_use() is LogFormat.JSON


def test_the_last_line_of_a_driver_names_its_run(tmp_path, root_logger, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "pasd_batch.batch.driver.run.run_archive", lambda *_, **__: RunReport(ExitCode.DONE, None, "end")
    )
    log_as(LogFormat.JSON)
    options = Namespace(script=None, ray_address=None, no_progress=True, log_format="json")
    assert drive(settings("runs/1"), options) == 0
    line = json.loads(capsys.readouterr().err)
    assert (line["message"], line["run"]) == ("end", f"{tmp_path}/runs/1")


@pytest.mark.parametrize("order", [["--log-format", "json", "plan"], ["plan", "--log-format", "json"]])
def test_what_a_command_says_is_json_too(tmp_path, order):
    command = [
        sys.executable,
        "-c",
        "import sys, pasd_batch.cli as c; sys.exit(c.main())",
        *order,
        str(tmp_path / "no.yaml"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = map(json.loads, done.stderr.splitlines())
    assert (line["level"], list(line)) == ("ERROR", KEYS)
    assert "no such configuration file" in line["message"]
