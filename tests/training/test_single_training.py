"""A training that is begun twice on one machine."""

import subprocess
import sys

import pytest
from tiny_training import settings

from pasd_batch.storage.storage import Storage
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.single_training import only_training
from pasd_batch.training.trainer import train

HOLDS = """
import sys
from pasd_batch.storage.storage import Storage
from pasd_batch.training.single_training import only_training
with only_training(Storage.open(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def other_process(output):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(output)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_start_is_refused_and_leaves_the_first_alone_until_that_has_ended(work):
    other = other_process(work / "output")
    try:
        (work / "link").symlink_to(work)
        for output in (work / "output", work / "link" / "output"):
            with pytest.raises(TrainingError, match="output is being trained by another process of this machine; wait"):
                train(settings(work, output=str(output)))
        assert not (work / "output").exists()
        with only_training(Storage.open(str(work / "another"))):
            pass
    finally:
        other.kill()
        other.wait()
    with only_training(Storage.open(str(work / "output"))):
        pass


def test_a_cache_that_cannot_be_written_is_no_hindrance(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PASD_BATCH_CACHE", str(tmp_path / "file"))
    with only_training(Storage.open(str(tmp_path / "output"))):
        pass
