"""Drivers of runs as real processes, and what kills them and their workers at random moments."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

DRIVER = Path(__file__).with_name("driver_process.py")
PATIENCE = 700.0
"""Seconds that a driver may take on a busy machine; tests wait for what happens, not for time to pass."""


@dataclass
class Driver:
    """A driver process; its output goes to a log file."""

    started: ClassVar[list] = []
    """All of them, so that none outlives its test."""

    settings: object
    log: Path
    loaders: str = "TINY"
    ray_address: str | None = None
    options: dict = field(default_factory=dict)

    def start(self):
        path = self.log.with_suffix(".json")
        path.write_text(json.dumps(self.settings.model_dump(mode="json")))
        command = [sys.executable, str(DRIVER), str(path), self.loaders, *filter(None, [self.ray_address])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(DRIVER.parent), *filter(None, sys.path)])}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, **self.options)
        self.started.append(self)
        return self

    @property
    def running(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def wait(self):
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the driver goes on and on: {self.text()[-3000:]}") from None

    def wait_until(self, condition):
        """Wait while the driver runs."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.running, self.text()[-3000:]
            assert time.monotonic() < deadline, self.text()[-3000:]
            time.sleep(0.1)

    def text(self):
        return self.log.read_text()


@dataclass
class Chaos:
    """Kills workers, their child processes and the driver of a run with SIGKILL until it has killed `kills` times."""

    attempts: object
    """Gives the texts of the run's attempt files, in which workers write their process."""
    kills: int
    chance: random.Random
    killed: dict = field(default_factory=lambda: {"worker": 0, "child": 0, "driver": 0})

    def harass(self, driver, seconds):
        """Kill at random moments until the driver ends; True if it ended by itself."""
        at_work = False
        while driver.running:
            time.sleep(self.chance.uniform(0.0, seconds))
            if sum(self.killed.values()) >= self.kills:
                driver.wait()
            if not driver.running:
                break
            alive = self._alive()
            at_work = at_work or bool(alive)
            # Seldom before its workers work, or on a busy machine hardly a driver would get so far.
            if self.chance.random() < (0.3 if at_work else 0.03):
                driver.kill()
                self.killed["driver"] += 1
                return False
            if alive:
                kind, process = alive
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                    self.killed[kind] += 1
        return True

    def _alive(self):
        """A child process of a worker, or else a worker, and which of them it is; None if there is none."""
        workers = {int(json.loads(text)["worker"].rpartition("/")[2]) for text in self.attempts()}
        of_workers = {child for worker in workers for child in children(worker)}
        for kind, processes in (("child", of_workers), ("worker", workers)):
            alive = [process for process in sorted(processes) if _is_ours(process)]
            if alive:
                return kind, self.chance.choice(alive)
        return None


def children(process):
    """Ids of the processes that a process has started and that live."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def _is_ours(process):
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False
    return b"_ShardActor" in command or b"pasd_batch.batch.worker.child" in command
