"""Loader processes and the training that they load for."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import feeding_process
import pytest


def runs(pid):
    """Whether a process is there and not just waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_loader_ends_with_a_training_that_is_killed(work, number):
    command = [sys.executable, feeding_process.__file__, str(work)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as training:
        loader = int(training.stdout.readline())
        assert runs(loader)
        training.send_signal(number)
        training.wait()
    deadline = time.monotonic() + 60
    try:
        while runs(loader):
            assert time.monotonic() < deadline, f"loader {loader} outlives its training"
            time.sleep(0.1)
    finally:
        if runs(loader):
            os.kill(loader, signal.SIGKILL)
