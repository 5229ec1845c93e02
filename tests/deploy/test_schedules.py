"""Examples for cron and Airflow: what they would run is what there is."""

import os
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import ClassVar

import pytest

from pasd_batch.cli import main

ROOT = Path(__file__).parents[2]
CRONTAB = (ROOT / "deploy/cron/pasd-batch").read_text()
JOBS = [line for line in CRONTAB.splitlines() if re.match(r"[\d*]", line)]
FIELD = r"(\*|\d+(-\d+)?)(/\d+)?"


@pytest.mark.parametrize("line", JOBS)
def test_a_line_of_the_crontab_is_five_times_a_user_and_a_command_that_a_shell_reads(line):
    *times, user, command = line.split(maxsplit=6)
    assert len(times) == 5
    assert all(re.fullmatch(FIELD, time) for time in times)
    assert user == "pasd"
    assert re.search(r"(?<!\\)%", command) is None, "cron takes a bare % for a line end"
    subprocess.run(["/bin/bash", "-n", "-c", command.replace("\\%", "%")], check=True)


@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.parametrize("line", JOBS)
def test_a_line_of_the_crontab_mails_the_end_of_what_failed_alone(line, code, tmp_path):
    program = tmp_path / ".venv/bin/pasd-batch"
    program.parent.mkdir(parents=True)
    # A run tells its end in the log, on the error stream; others on the standard output.
    program.write_text(f"#!/bin/sh\n[ $1 = run ] && exec >&2\necho the end\nexit {code}\n")
    program.chmod(0o755)
    command = line.split(maxsplit=6)[-1].replace("\\%", "%")
    environment = os.environ | {"PASD": str(tmp_path)}
    done = subprocess.run(["/bin/bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("", "the end\n" if code else "")
    assert list((tmp_path / "log").iterdir())


@pytest.mark.parametrize("line", JOBS)
def test_the_crontabs_command_line_is_understood(line, capsys):
    (words,) = re.findall(r"\.venv/bin/pasd-batch (.*?) (?:2>|>)", line)
    with pytest.raises(SystemExit) as ended:
        main([*words.replace("\\%", "%").replace("$(date -u +%F)", "2026-11-27").split(), "--help"])
    assert ended.value.code == 0
    with pytest.raises(SystemExit):
        main([words.split()[0], "--no-such-option"])


class Recorded:
    """A DAG or an operator of Airflow, as far as the example uses them."""

    made: ClassVar[list["Recorded"]] = []

    def __init__(self, **options):
        self.options = options
        self.made.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_the_airflow_example_submits_the_job_that_there_is(monkeypatch):
    Recorded.made = []
    providers = "airflow.providers.standard.operators.bash"
    parts = providers.split(".")
    for name in (".".join(parts[:length]) for length in range(1, len(parts) + 1)):
        members = {"airflow": {"DAG": Recorded}, providers: {"BashOperator": Recorded}}.get(name, {})
        module = types.ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    path = ROOT / "deploy/airflow/pasd_batch_nightly.py"
    exec(compile(path.read_text(), str(path), "exec"), {"__name__": "dag"})
    dag, task = Recorded.made
    assert dag.options["catchup"] is False
    assert all(re.fullmatch(FIELD, field) for field in dag.options["schedule"].split())
    command = task.options["bash_command"]
    assert command.startswith("ray job submit --address ")
    (script,) = re.findall(r"python /app/(\S+)", command)
    assert (ROOT / script).exists()
    assert "output.root=s3://my-bucket/restored/{{ ds }}" in command
