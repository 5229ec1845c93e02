"""Exit codes that are true however a driver ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import supervised_process
from chaos import children
from photo_archive import picture, store_photos

PROGRAM = Path(supervised_process.__file__)
PATIENCE = 60.0


def start(folder, what, *options):
    command = [sys.executable, str(PROGRAM), what, str(folder), *options]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def end(process):
    out, error = process.communicate(timeout=PATIENCE)
    return process.returncode, out, error


def wait_for(condition, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def caught(pid):
    """Signals for which a process has set a handler that is not Python's own for SIGINT alone."""
    (mask,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt:")]
    bits = int(mask.split()[1], 16)
    both = all(bits >> (number - 1) & 1 for number in (signal.SIGINT, signal.SIGTERM))
    return {signal.SIGINT, signal.SIGTERM} if both else set()


@pytest.mark.parametrize("code", [0, 1, 2, 3, 130])
def test_a_verdict_is_the_exit_code(tmp_path, code):
    assert end(start(tmp_path, str(code))) == (code, "", "")


def test_a_verdict_stands_whatever_native_code_does_afterwards(tmp_path):
    assert end(start(tmp_path, "done, then native exit")) == (0, "", "")


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("native exit", "the driver ended with code 1 and no word, as it does when the raylet dies"),
        ("abort", "the driver was ended by SIGABRT"),
        ("killed", "the driver was ended by SIGKILL, as the kernel does when memory runs out"),
        ("raises", "nobody foresaw this"),
        ("exits", "the driver ended with code 1 and no word"),
    ],
)
def test_an_end_without_a_verdict_is_an_incomplete_run_with_a_message(tmp_path, what, told):
    code, _, error = end(start(tmp_path, what))
    assert code == 3
    assert told in error
    assert error.endswith("; again\n")


def test_lines_of_native_code_are_passed_on_but_for_one_that_every_healthy_run_has(tmp_path):
    code, _, error = end(start(tmp_path, "native lines"))
    assert code == 0
    assert sorted(error.splitlines()) == ["[E] raylet: something that is wrong", "no line end", "of Python's log"]


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3])
def test_an_interruption_while_the_driver_begins_is_a_line(tmp_path, delay):
    process = start(tmp_path, "obeys")
    time.sleep(delay)
    wait_for(lambda: b"\0" in Path(f"/proc/{process.pid}/cmdline").read_bytes())
    wait_for(lambda: signal.SIGINT in caught(process.pid))
    process.send_signal(signal.SIGINT)
    code, _, error = end(process)
    assert code == 130
    assert error in ("", "ended by SIGINT, before all was in good order; again\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("to", ["the program", "everybody"])
def test_signals_are_one_request_however_they_come(tmp_path, number, to):
    process = start(tmp_path, "obeys")
    wait_for((tmp_path / "ready").exists)
    process.send_signal(number)
    if to == "everybody":
        os.kill(int((tmp_path / "child").read_text()), number)
    assert end(process) == (128 + number, f"in good order after {number.name}\n", "")


def test_a_driver_that_hangs_ends_all_the_same(tmp_path):
    process = start(tmp_path, "hangs", "0.5")
    wait_for((tmp_path / "ready").exists)
    process.terminate()
    assert end(process) == (143, "", "ended by SIGTERM, before all was in good order; again\n")


def test_a_second_signal_ends_a_driver_that_hangs_at_once(tmp_path):
    process = start(tmp_path, "hangs")
    wait_for((tmp_path / "ready").exists)
    process.send_signal(signal.SIGINT)
    time.sleep(1.2)  # sooner it would be the same request
    process.send_signal(signal.SIGINT)
    assert end(process)[0] == 130


def test_a_driver_does_not_outlive_who_started_it(tmp_path):
    process = start(tmp_path, "hangs")
    wait_for((tmp_path / "ready").exists)
    child = Path("/proc", (tmp_path / "child").read_text())
    process.kill()
    process.communicate()
    wait_for(lambda: not child.exists() or "Z" in (child / "stat").read_text().split(")")[1])


def test_a_driver_whose_raylet_dies_is_an_incomplete_run_with_a_message(tmp_path):
    store_photos(tmp_path / "in", {f"{number}.png": picture(number) for number in range(40)})
    config = {
        "mode": "score",
        "manifest": {"path": str(tmp_path / "in")},
        "output": {"root": str(tmp_path / "run")},
        "metrics": {"no_reference": ["piqe"], "full_reference": []},
        "shard_size": 1,
        "workers": {"max": 1, "gpus": 0},
    }
    (tmp_path / "run.yaml").write_text(json.dumps(config))
    command = [sys.executable, "-c", "import sys; from pasd_batch.cli import main; sys.exit(main())"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(
            [*command, "run", str(tmp_path / "run.yaml"), "--no-progress"],
            stdout=log,
            stderr=log,
            env=environment | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        try:
            wait_for(lambda: list((tmp_path / "run").glob("results/*")), patience=300.0)
            (raylet,) = [each for each in descendants(process.pid) if name_of(each) == "raylet"]
            os.kill(raylet, signal.SIGKILL)
            code = process.wait(300.0)
        finally:
            process.kill()
        log.seek(0)
        said = log.read()
    assert code == 3, said
    assert "resumes the run" in said
    assert len(list((tmp_path / "run").glob("results/*"))) < 40


def descendants(process):
    for child in children(process):
        yield child
        yield from descendants(child)


def name_of(process):
    return Path(f"/proc/{process}/comm").read_text().strip()
