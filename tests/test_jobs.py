"""The job scripts as they are started: what they say and how they exit when there is nothing to run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def refusal(job: str, folder: Path, *arguments: str, **environment: str) -> str:
    """What a job that cannot start says."""
    done = subprocess.run(
        [sys.executable, ROOT / "jobs" / job, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | environment,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


RUNS = ["restore_archive.py", "score_archive.py", "audit_archive.py", "describe_archive.py"]


@pytest.mark.parametrize("job", [*RUNS, "train.py"])
def test_a_job_that_cannot_start_says_why_and_exits_with_two(job, tmp_path):
    (tmp_path / "run.yaml").write_text("manifest: {path: photos}\noutput: {root: out}\nshard_sise: 3\n")
    for arguments, told in [
        ([], "required: config"),
        (["none.yaml"], "none.yaml: no such configuration file"),
        (["run.yaml"], "shard_sise: unknown setting"),
        (["run.yaml", "shard_size"], "write it as dotted.key=value"),
    ]:
        assert told in refusal(job, tmp_path, *arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("job", RUNS[:3])
def test_a_submitted_job_refuses_paths_into_rays_copy_of_the_folder(job, tmp_path):
    (tmp_path / "run.yaml").write_text("manifest: {path: photos.csv}\noutput: {root: runs/scores}\n")
    for overrides, told in [
        ([], "output.root=runs/scores, manifest.path=photos.csv: relative to"),
        (["output.root=/mnt/run"], "ERROR pasd_batch.batch.driver.run: manifest.path=photos.csv: relative to"),
        (
            ["manifest.path=s3://bucket/photos.csv"],
            "ERROR pasd_batch.batch.driver.run: output.root=runs/scores: relative to",
        ),
    ]:
        said = refusal(job, tmp_path, "run.yaml", *overrides, RAY_JOB_CONFIG_JSON_ENV_VAR="{}")
        assert told in said
        assert "give paths that all machines share" in said
    assert not (tmp_path / "runs").exists()


def test_ray_still_names_the_variable_of_a_job_so():
    from ray._private.runtime_env.constants import RAY_JOB_CONFIG_JSON_ENV_VAR

    from pasd_batch.batch.driver import run_paths

    assert run_paths.JOB_VARIABLE == RAY_JOB_CONFIG_JSON_ENV_VAR
