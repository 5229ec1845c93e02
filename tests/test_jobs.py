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
OTHERS = ["train.py", "evaluate.py"]


def test_every_command_that_is_scheduled_on_a_cluster_has_its_job():
    assert {path.name for path in (ROOT / "jobs").glob("*.py")} == {*RUNS, *OTHERS}


@pytest.mark.parametrize("job", [*RUNS, *OTHERS])
def test_a_job_that_cannot_start_says_why_and_exits_with_two(job, tmp_path):
    (tmp_path / "run.yaml").write_text("manifest: {path: photos}\noutput: {root: out}\nshard_sise: 3\n")
    assert "shard_sise: unknown setting" in refusal(job, tmp_path, "run.yaml")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "required: config"),
        (["none.yaml"], "none.yaml: no such configuration file"),
        ([str(ROOT / "configs/score_only.yaml"), "shard_size"], "write it as dotted.key=value"),
    ],
)
def test_a_command_line_that_no_job_understands_is_told(arguments, told, tmp_path):
    assert told in refusal("restore_archive.py", tmp_path, *arguments)


def test_a_submitted_job_refuses_paths_into_rays_copy_of_the_folder(tmp_path):
    (tmp_path / "run.yaml").write_text("manifest: {path: photos.csv}\noutput: {root: runs/scores}\n")
    (tmp_path / "photos.csv").write_text("uri\na.png\n")
    for overrides, told in [
        ([], "- output.root=runs/scores, manifest.path=photos.csv: relative to"),
        ([f"output.root={tmp_path}/run"], "- manifest.path=photos.csv: relative to"),
        ([f"manifest.path={tmp_path}/photos.csv"], "- output.root=runs/scores: relative to"),
    ]:
        said = refusal("score_archive.py", tmp_path, "run.yaml", *overrides, RAY_JOB_CONFIG_JSON_ENV_VAR="{}")
        assert told in said
        assert "give paths that all machines share" in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("job", OTHERS)
def test_a_submitted_job_leaves_nothing_in_rays_copy_of_the_folder(job, tmp_path):
    config = ROOT / "configs" / {"train.py": "train_realisr.yaml", "evaluate.py": "evaluate.yaml"}[job]
    said = refusal(job, tmp_path, str(config), "output=runs/one", RAY_JOB_CONFIG_JSON_ENV_VAR="{}")
    assert "output=runs/one: relative to" in said
    assert not list(tmp_path.iterdir())


def test_a_job_tells_what_needs_no_ray_before_ray_begins(tmp_path):
    (tmp_path / "run.yaml").write_text("manifest: {path: none.csv}\noutput: {root: run}\n")
    (tmp_path / "other/results").mkdir(parents=True)
    (tmp_path / "other/results/a.parquet").touch()
    # Nobody answers there: one more problem, told with the others.
    said = refusal("score_archive.py", tmp_path, "run.yaml", f"output.root={tmp_path}/other", RAY_ADDRESS="127.0.0.1:9")
    assert "the run cannot start, 3 problem(s)" in said
    assert "127.0.0.1 does not answer at port 9" in said
    assert "no run.json" in said
    assert "none.csv: no manifest" in said


def test_ray_still_names_the_variable_of_a_job_so():
    from ray._private.runtime_env.constants import RAY_JOB_CONFIG_JSON_ENV_VAR

    from pasd_batch.cluster import submitted_job

    assert submitted_job.JOB_VARIABLE == RAY_JOB_CONFIG_JSON_ENV_VAR
