"""Jobs submitted with `ray job submit`, as their docstrings say, to a head that runs for these tests alone.

The head is a process of its own, told apart from every other Ray of this machine by its ports, its folder and its
token, and ended by its process id.
"""

import ast
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

ROOT = Path(__file__).parent.parent
START_SECONDS = 240.0
JOB_SECONDS = 480.0
END_SECONDS = 5.0
PORTS = (
    "port",
    "dashboard-port",
    "dashboard-agent-listen-port",
    "dashboard-agent-grpc-port",
    "runtime-env-agent-port",
    "metrics-export-port",
    "ray-client-server-port",
    "node-manager-port",
    "object-manager-port",
)


@dataclass
class RayHead:
    """A head with its dashboard, two CPUs and a token; everything that it writes is in `folder`."""

    folder: Path

    def start(self):
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.environment = own_environment() | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        options = [f"--{name}={port}" for name, port in self.ports.items()]
        # Port 0 is any free one, for each worker.
        options += ["--min-worker-port=0", "--max-worker-port=0", "--num-cpus=2", "--include-dashboard=true"]
        options += [f"--temp-dir={self.folder}", "--disable-usage-stats", "--block"]
        with (self.folder / "head.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["ray", "start", "--head", *options],
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )

    @property
    def address(self):
        return f"http://127.0.0.1:{self.ports['dashboard-port']}"

    def wait_until_ready(self):
        """Wait for the dashboard and the agent that starts jobs; False if the head ends, as for want of a port."""
        deadline = time.monotonic() + START_SECONDS
        agent = f"http://127.0.0.1:{self.ports['dashboard-agent-listen-port']}"
        while not (self._answers(f"{self.address}/api/version") and self._answers(f"{agent}/api/local_raylet_healthz")):
            if self.process.poll() is not None:
                return False
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.2)
        return True

    def _answers(self, url):
        token = {"Authorization": f"Bearer {self.environment['RAY_AUTH_TOKEN']}"}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=token), timeout=10.0) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def stop(self):
        """End the head and its group; the workers, which have sessions of their own, end when they lose it."""
        self.process.terminate()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def text(self):
        return (self.folder / "head.log").read_text()[-3000:]


def free_ports(count):
    """Ports that nobody listens at now, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("", 0))
        return [each.getsockname()[1] for each in sockets]


def own_environment():
    """This process's environment with its Python first, and without what leads to another Ray or another package."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYTHON"))}
    return kept | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


@pytest.fixture(scope="module")
def head():
    # Not below pytest's folder: the paths of Ray's sockets may be 107 characters long.
    head = RayHead(Path(tempfile.mkdtemp(prefix="pasd-")))
    try:
        started = any(is_ready(head) for _ in range(3))
        assert started, head.text()
        yield head
    finally:
        head.stop()
        shutil.rmtree(head.folder, ignore_errors=True)


def is_ready(head):
    head.start()
    return head.wait_until_ready()


def submit(head, job, config, *overrides):
    """Type what the job's docstring says, with another address, config and overrides."""
    docstring = ast.get_docstring(ast.parse((ROOT / "jobs" / job).read_text()))
    lines = docstring.split("\n\n")[1].replace("\\\n", " ")
    command = [word for word in shlex.split(lines) if word not in ("[key=value", "...]")]
    assert command[:4] == ["ray", "job", "submit", "--address"]
    assert command[-2] == f"jobs/{job}"
    command[4], command[-1:] = head.address, [str(config), *overrides]
    return subprocess.run(
        command, cwd=ROOT, env=head.environment, capture_output=True, text=True, timeout=JOB_SECONDS, check=False
    )


def test_a_submitted_job_succeeds_and_every_photo_has_its_row(head, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / "3.png").write_bytes(b"<html>Not found</html>")
    done = submit(
        head,
        "score_archive.py",
        "configs/score_only.yaml",
        f"manifest.path={tmp_path}/in",
        f"output.root={tmp_path}/run",
        "workers.max=1",
        "max_error_rate=0.5",
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "succeeded" in done.stdout
    assert "4 photos, 1 failed" in done.stdout
    rows = {row["photo_id"]: row for row in pq.read_table(tmp_path / "run" / "results").to_pylist()}
    assert {name: row["error_stage"] for name, row in rows.items()} == {
        "0.png": None,
        "1.png": None,
        "2.png": None,
        "3.png": "decode",
    }
    assert all(rows[f"{number}.png"]["scores"]["piqe"] > 0 for number in range(3))
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["photos"] == 4


def test_a_job_that_cannot_start_fails_with_its_exit_code_in_the_message(head, tmp_path):
    (tmp_path / "run.yaml").write_text("manifest: {path: photos}\noutput: {root: out}\nshard_sise: 3\n")
    done = submit(head, "restore_archive.py", tmp_path / "run.yaml")
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-3000:]
    assert "shard_sise: unknown setting" in done.stdout
    assert "failed with exit code 2" in done.stdout


def test_the_entrypoint_of_the_kubernetes_job_runs_through_rays_job_api(head, tmp_path):
    (tmp_path / "in").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in" / "0.png")
    settings = {
        "mode": "score",
        "manifest": {"path": str(tmp_path / "in")},
        "output": {"root": "unused"},
        "workers": {"max": 1},
        "metrics": {"no_reference": ["piqe"], "full_reference": []},
    }
    (tmp_path / "nightly.yaml").write_text(yaml.safe_dump(settings))
    job = yaml.safe_load((ROOT / "deploy/kuberay/rayjob.yaml").read_text())
    places = {"/app": str(ROOT), "/etc/pasd-batch": str(tmp_path), "s3://my-bucket": str(tmp_path)}
    entrypoint = job["spec"]["entrypoint"]
    for place, here in places.items():
        assert place in entrypoint
        entrypoint = entrypoint.replace(place, here)
    # As KubeRay's HTTP mode gives it to the API: a line that a shell reads.
    here = ["--working-dir", "."]  # the package is that of the image there
    command = ["ray", "job", "submit", "--address", head.address, *here, "--", "sh", "-c", entrypoint]
    done = subprocess.run(
        command, cwd=ROOT, env=head.environment, capture_output=True, text=True, timeout=JOB_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (run,) = (tmp_path / "restored").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", run.name)
    assert json.loads((run / "summary.json").read_text())["photos"] == 1
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert {line["run"] for line in lines} <= {str(run), None}
    assert any("1 photos, 0 failed" in line["message"] for line in lines)
