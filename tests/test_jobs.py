"""The job scripts as they are started: what they say and how they exit when there is nothing to run."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("job", ["restore_archive.py", "score_archive.py", "train.py"])
def test_a_job_that_cannot_start_says_why_and_exits_with_two(job, tmp_path):
    (tmp_path / "run.yaml").write_text("manifest: {path: photos}\noutput: {root: out}\nshard_sise: 3\n")
    for arguments, told in [
        ([], "required: config"),
        (["none.yaml"], "none.yaml: no such configuration file"),
        (["run.yaml"], "shard_sise: unknown setting"),
        (["run.yaml", "shard_size"], "write it as dotted.key=value"),
    ]:
        done = subprocess.run(
            [sys.executable, ROOT / "jobs" / job, *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=120
        )
        assert done.returncode == 2, done.stderr
        assert told in done.stderr
    assert not (tmp_path / "out").exists()
