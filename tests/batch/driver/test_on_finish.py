"""The end of a run, told to a webhook or a command that cannot change it."""

import hmac
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path

import killed
import pytest
from photo_archive import BAD, picture, settings, store_photos
from webhook_receiver import Receiver

from pasd_batch.batch.driver import on_finish
from pasd_batch.batch.driver import run as run_module
from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.on_finish import DELIVERY, SIGNATURE, TIMESTAMP, tell_end
from pasd_batch.batch.driver.run import RunReport, run_archive
from pasd_batch.cli import main
from pasd_batch.config.base import ConfigError
from pasd_batch.config.on_finish import OnFinishSettings
from pasd_batch.config.storage import RetryPolicy
from pasd_batch.runs.summary import RunCounts

COUNTS = RunCounts(photos=10, failed=2, failures={"decode/PhotoError": 2}, worker_seconds={"": 3600.0})
SECRET = "a secret of the operator"


@pytest.fixture
def receiver(monkeypatch):
    monkeypatch.setattr(on_finish, "_PAUSES", RetryPolicy(first_delay=0.01, max_delay=0.01))
    server = Receiver()
    yield server
    server.drips = False
    server.shutdown()
    server.server_close()


def told(on_finish_settings, exit_code=ExitCode.DONE, counts=COUNTS, root="s3://bucket/run", **changes):
    told_settings = settings(root, on_finish=on_finish_settings, **changes)
    tell_end(told_settings, exit_code, counts, f"ended with {exit_code.name}")


def test_a_webhook_gets_counts_exit_code_and_addresses(receiver):
    told({"webhook": receiver.url}, workers={"price_per_hour": 2.0})
    ((headers, body),) = receiver.received
    message = json.loads(body)
    assert headers["Content-Type"] == "application/json"
    assert (message["success"], message["exit_code"], message["exit"]) == (True, 0, "done")
    assert (message["photos"], message["failed"], message["failures"]) == (10, 2, {"decode/PhotoError": 2})
    assert message["run"] == "s3://bucket/run"
    assert message["results"] == "s3://bucket/run/results"
    assert message["summary"] == "s3://bucket/run/summary.json"
    assert message["cost"] == 2.0
    assert SIGNATURE not in headers


def test_success_and_failure_are_told_apart(receiver):
    for code in (ExitCode.DONE, ExitCode.TOO_MANY_FAILURES, ExitCode.CANNOT_START):
        told({"webhook": receiver.url, "on": ["failure"]}, code, counts=None)
    messages = [json.loads(body) for _, body in receiver.received]
    assert [(each["success"], each["exit_code"]) for each in messages] == [(False, 1), (False, 2)]
    assert messages[0]["results"] is None
    receiver.received.clear()
    told({"webhook": receiver.url, "on": ["success"]}, ExitCode.INCOMPLETE)
    assert receiver.received == []


def test_the_body_is_signed_with_the_secret_of_the_environment(receiver, monkeypatch):
    monkeypatch.setenv("PASD_BATCH_WEBHOOK_SECRET", SECRET)
    told({"webhook": receiver.url})
    ((headers, body),) = receiver.received
    signed = headers[TIMESTAMP].encode() + b"." + body
    assert headers[SIGNATURE] == "sha256=" + hmac.new(SECRET.encode(), signed, "sha256").hexdigest()
    assert SECRET.encode() not in body


@pytest.mark.parametrize("status", [500, 503, 429])
def test_what_may_pass_is_tried_again_as_one_delivery(receiver, status):
    receiver.statuses = [status, status]
    told({"webhook": receiver.url})
    assert len(receiver.received) == 3
    assert len({headers[DELIVERY] for headers, _ in receiver.received}) == 1
    assert len({body for _, body in receiver.received}) == 1


@pytest.mark.parametrize(("status", "tries"), [(503, 2), (404, 1), (302, 1)])
def test_what_fails_is_logged_and_nothing_else(receiver, status, tries, caplog):
    receiver.statuses = [status] * 5
    with caplog.at_level(logging.WARNING):
        told({"webhook": receiver.url, "attempts": 2})
    assert len(receiver.received) == tries
    assert f"on_finish.webhook failed: status {status}" in caplog.text


def test_a_webhook_that_does_not_answer_is_given_up(caplog, monkeypatch):
    monkeypatch.setattr(on_finish, "_PAUSES", RetryPolicy(first_delay=0.01, max_delay=0.01))
    with caplog.at_level(logging.WARNING):
        told({"webhook": "http://127.0.0.1:9/secret-path", "attempts": 2})
        told({"webhook": "$NO_SUCH_VARIABLE"})
    assert "on_finish.webhook failed: no connection, or one that broke off (ConnectionRefusedError" in caplog.text
    assert "NO_SUCH_VARIABLE is not set" in caplog.text
    assert "secret-path" not in caplog.text


def test_a_webhook_that_never_ends_its_answer_is_given_up_in_time(receiver, caplog):
    receiver.drips = True
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        told({"webhook": receiver.url, "attempts": 1, "timeout": 0.5})
    assert time.monotonic() - began < 5.0
    assert "on_finish.webhook failed: no answer in on_finish.timeout (0.5 s)" in caplog.text


@pytest.mark.parametrize(
    "address",
    [
        "hooks.example.org/T0/hidden",
        "https://h/T0/hidden\n",
        "https://h/T0/hid den",
        "https:///T0/hidden",
        "http://h:x/hidden",
    ],
)
def test_an_address_in_the_environment_that_is_none_is_told_without_it(address, monkeypatch, caplog):
    monkeypatch.setenv("SLACK_HOOK", address)
    with caplog.at_level(logging.WARNING):
        told({"webhook": "$SLACK_HOOK"})
    assert "on_finish.webhook failed: the " in caplog.text
    assert "hid" not in caplog.text


@pytest.mark.parametrize("secret", ["grüße", b"gr\xfc\xdfe"])
def test_secrets_and_addresses_beyond_ascii(receiver, monkeypatch, secret):
    key = secret if isinstance(secret, bytes) else secret.encode()
    monkeypatch.setenv("PASD_BATCH_WEBHOOK_SECRET", os.fsdecode(key))
    told({"webhook": f"{receiver.url}/grüße"})
    ((headers, body),) = receiver.received
    signed = headers[TIMESTAMP].encode() + b"." + body
    assert headers[SIGNATURE] == "sha256=" + hmac.new(key, signed, "sha256").hexdigest()


def test_what_cannot_be_told_is_known_before_the_run(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(run_module, "_to_the_end", lambda *_: RunReport(ExitCode.DONE, COUNTS, "the end"))
    wanted = {"webhook": "$NO_SUCH_VARIABLE", "command": "no-such-program --quiet", "on": ["failure"]}
    with caplog.at_level(logging.WARNING):
        run_archive(settings(tmp_path / "run", on_finish=wanted))
    assert [record.getMessage() for record in caplog.records] == [
        "on_finish.webhook: the environment variable NO_SUCH_VARIABLE is not set",
        "on_finish.command: there is no program 'no-such-program' here; give its path",
    ]
    assert list(on_finish.faults(OnFinishSettings(webhook="https://host/a", command=("true",)))) == []


def test_addresses_mean_the_same_place_elsewhere(receiver, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told({"webhook": receiver.url}, root="runs/ü 1")
    ((_, body),) = receiver.received
    assert json.loads(body)["results"] == f"{tmp_path}/runs/ü 1/results"


def test_an_address_may_be_in_the_environment(receiver, monkeypatch):
    monkeypatch.setenv("SLACK_HOOK", receiver.url)
    told({"webhook": "$SLACK_HOOK"})
    assert len(receiver.received) == 1


def test_a_command_gets_the_same_on_its_standard_input(tmp_path, caplog):
    script = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read()); print('noted')"
    with caplog.at_level(logging.INFO):
        told({"command": [sys.executable, "-c", script, str(tmp_path / "end.json")]}, ExitCode.TOO_MANY_FAILURES)
    assert json.loads((tmp_path / "end.json").read_text())["exit_code"] == 1
    assert "on_finish.command ended with 0: noted" in caplog.text


@pytest.mark.parametrize(
    ("command", "logged"),
    [
        (["/no/such/program"], "FileNotFoundError"),
        ([sys.executable, "-c", "import sys; sys.exit('no')"], "ended with 1: no"),
        (["sleep", "20"], "it took longer than on_finish.timeout"),
    ],
)
def test_a_command_that_fails_is_logged(command, logged, caplog):
    with caplog.at_level(logging.WARNING):
        told({"command": command, "timeout": 0.5})
    assert logged in caplog.text


def test_what_a_command_has_begun_ends_with_it(tmp_path):
    told({"command": ["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/pid; wait"], "timeout": 0.5})
    assert state_of_process(int((tmp_path / "pid").read_text())) in (None, "Z")


def state_of_process(number):
    """Letter of a process's state, as the kernel has it; None where there is none."""
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return None
        if state == "Z":
            break
        time.sleep(0.02)
    return state


def test_secrets_are_in_no_message(receiver, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    told_settings = settings("s3://bucket/run?token=abcdef", on_finish={"webhook": receiver.url})
    tell_end(told_settings, ExitCode.INCOMPLETE, None, "https://user:word@host refused wJalrXUtnFEMI")
    ((_, body),) = receiver.received
    assert all(secret not in body for secret in (b"wJalrXUtnFEMI", b"user:word", b"abcdef"))


@pytest.mark.parametrize("code", [ExitCode.DONE, ExitCode.TOO_MANY_FAILURES, ExitCode.INTERRUPTED])
def test_a_run_ends_as_it_ends_whatever_becomes_of_the_call(tmp_path, monkeypatch, code):
    report = RunReport(code, COUNTS, "the end")
    monkeypatch.setattr(run_module, "_to_the_end", lambda *_: report)
    failing = {"webhook": "http://127.0.0.1:9/", "attempts": 1, "command": "/no/such/program"}
    assert run_archive(settings(tmp_path / "run", on_finish=failing)) is report


def test_a_driver_that_is_killed_while_it_tells_the_end_tells_it_again_as_the_same(receiver, tmp_path):
    store_photos(tmp_path / "in", {"a.png": picture(1), "bad.png": BAD["corrupt"]})
    changes = {"on_finish": {"webhook": receiver.url, "attempts": 1}, "max_error_rate": 1.0}

    def driver(**more):
        return killed.begin(killed.run, str(tmp_path / "run"), str(tmp_path / "in"), changes | more)

    drivers = []
    receiver.victim = lambda: drivers[0]
    drivers.append(driver())
    drivers[0].join()
    assert drivers[0].exitcode == -signal.SIGKILL
    rows = {path: path.read_bytes() for path in (tmp_path / "run/results").iterdir()}
    receiver.victim = None
    # A command, too, may be the end of its driver.
    script = f"test -e {tmp_path}/told && exit; cat > {tmp_path}/told; kill -9 $PPID"
    telling = changes["on_finish"] | {"command": ["sh", "-c", script]}
    for expected in (-signal.SIGKILL, 0):
        again = driver(on_finish=telling)
        again.join()
        assert again.exitcode == expected
    messages = [json.loads(body) for _, body in receiver.received]
    assert [(each["exit"], each["photos"], each["failed"]) for each in messages] == [("done", 2, 1)] * 3
    assert len({headers[DELIVERY] for headers, _ in receiver.received}) == 1
    assert json.loads((tmp_path / "told").read_text())["photos"] == 2
    assert {path: path.read_bytes() for path in (tmp_path / "run/results").iterdir()} == rows
    another = driver(output={"root": str(tmp_path / "other")})
    another.join()
    assert len({headers[DELIVERY] for headers, _ in receiver.received}) == 2


def test_settings_as_typed():
    assert OnFinishSettings.parse({"command": "mail -s done me"}).command == ("mail", "-s", "done", "me")
    with pytest.raises(ConfigError, match="webhook"):
        OnFinishSettings.parse({"webhook": "ftp://host/a"})


def test_a_run_that_is_refused_before_ray_begins_is_told_too(receiver, tmp_path, capsys):
    (tmp_path / "run.yaml").write_text(
        f"manifest: {{path: {tmp_path}/nowhere.csv}}\noutput: {{root: {tmp_path}/run}}\n"
        f"on_finish: {{webhook: '{receiver.url}'}}\n"
    )
    assert main(["run", str(tmp_path / "run.yaml")]) == ExitCode.CANNOT_START
    ((_, body),) = receiver.received
    assert json.loads(body)["exit"] == "cannot_start"
    assert "nowhere.csv" in json.loads(body)["message"]
