import contextlib
import dataclasses
import io

import pytest
import tiny_models
from photo_archive import settings

from pasd_batch.batch.driver import dry_run
from pasd_batch.batch.driver.dry_run import plan_archive, seconds_per_tile, try_tile, without_second_tries
from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.machine_memory import machine_memory
from pasd_batch.batch.driver.preflight import Findings, PreflightFailed, WorkerReport
from pasd_batch.batch.driver.run import run_archive
from pasd_batch.batch.planning.estimate import PlanSummary
from pasd_batch.manifests.workload import Workload
from pasd_batch.records import PhotoFailure, Stage
from pasd_batch.runs.run_file import claim_run, describe_run
from pasd_batch.storage.storage import Storage

FAILURE = PhotoFailure(Stage.RESTORE, "OutOfMemoryError", "one tile of 96 does not fit; lower tile_size")


class Refusing:
    def restore(self, photos, *, prompts, seeds, samplings=None, palettes=None, regions=None, on_step=None):
        return [FAILURE for _ in photos]


def load_refusing(settings):
    return Refusing()


REFUSING = dataclasses.replace(tiny_models.TINY, restorer=load_refusing)


def test_a_tile_is_timed(tmp_path):
    seconds = seconds_per_tile(settings(tmp_path / "run", tmp_path / "manifest.csv"), tiny_models.TINY)
    assert 0.0 < seconds < 60.0


def test_a_refusal_is_not_taken_for_speed(tmp_path):
    tried = seconds_per_tile(settings(tmp_path / "run", tmp_path / "manifest.csv"), REFUSING)
    assert tried == FAILURE


def test_a_model_that_restores_nothing_cannot_start(ray_cluster, archive, tmp_path):
    report = plan_archive(settings(tmp_path / "run", archive.manifest), loaders=REFUSING)
    assert report.exit_code is ExitCode.CANNOT_START
    assert "lower tile_size" in report.message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "error",
    [ValueError("no such scheme"), RuntimeError("another version"), ConnectionError("no"), Exception("timed out")],
)
@pytest.mark.parametrize("begin", [plan_archive, run_archive])
def test_a_ray_that_cannot_be_joined_cannot_start(tmp_path, monkeypatch, begin, error):
    def refuse(**options):
        raise error

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", refuse)
    monkeypatch.setattr("socket.create_connection", lambda *_, **__: io.BytesIO())
    (tmp_path / "manifest.csv").write_text("uri\na.png\n")
    report = begin(settings(tmp_path / "run", tmp_path / "manifest.csv"), ray_address="head:6379")
    assert report.exit_code is ExitCode.CANNOT_START
    assert report.message.startswith(f"no Ray cluster at head:6379: {error}; check --ray-address or RAY_ADDRESS, and ")
    assert "RAY_AUTH_MODE=token" in report.message


@pytest.mark.parametrize("begin", [plan_archive, run_archive])
def test_the_address_of_the_job_api_is_told_from_a_clusters(tmp_path, monkeypatch, begin):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:8265")
    (tmp_path / "manifest.csv").write_text("uri\na.png\n")
    report = begin(settings(tmp_path / "run", tmp_path / "manifest.csv"))
    assert report.exit_code is ExitCode.CANNOT_START
    assert "Ray's job API" in report.message
    assert "unset RAY_ADDRESS" in report.message
    assert not (tmp_path / "run").exists()


def test_what_nobody_expects_ends_a_plan_with_a_message_too(tmp_path, monkeypatch):
    def broken(*arguments):
        raise LookupError("nobody expects this")

    monkeypatch.setattr(dry_run, "ray_session", lambda address: contextlib.nullcontext())
    monkeypatch.setattr(dry_run, "check_storage_and_workers", broken)
    report = plan_archive(settings(tmp_path / "run", tmp_path / "manifest.csv"), loaders=tiny_models.TINY)
    assert report.exit_code is ExitCode.CANNOT_START
    assert "LookupError: nobody expects this" in report.message


@pytest.fixture
def found_well(monkeypatch):
    """A plan that finds everything well but the run at the output root, which it looks at itself."""
    findings = Findings([], WorkerReport([], "model-1", ()))
    monkeypatch.setattr(dry_run, "ray_session", lambda address: contextlib.nullcontext())
    monkeypatch.setattr(dry_run, "check_storage_and_workers", lambda *arguments: findings)
    monkeypatch.setattr(dry_run, "plan_summary", lambda *_, **__: PlanSummary(photos=3, shards=1, fingerprint="list-1"))
    monkeypatch.setattr(dry_run, "_time_lines", lambda *arguments: [])


@pytest.mark.parametrize(
    ("begun", "told"),
    [
        ({}, None),
        ({"model_fingerprint": "model-0"}, "model weights: model-0 in the run, model-1 now"),
        ({"manifest_fingerprint": "list-0"}, "manifest: 3 photos of"),
        ({"lists_photos": True}, "manifest.path:"),
    ],
)
def test_a_folder_of_another_run_is_found_by_the_plan(found_well, tmp_path, begun, told):
    planned = settings(tmp_path / "run", tmp_path / "manifest.csv")
    other = settings(tmp_path / "run", tmp_path / "photos") if "lists_photos" in begun else planned
    same = {"manifest_fingerprint": "list-1", "photos": 3, "model_fingerprint": "model-1", "score_columns": ()}
    claim_run(Storage.open(str(tmp_path / "run")), describe_run(other, **(same | begun)))
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*")}
    report = plan_archive(planned, loaders=tiny_models.TINY)
    assert report.exit_code is (ExitCode.CANNOT_START if told else ExitCode.DONE)
    assert (told or "photos: 3") in report.message
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*")} == before


def test_files_of_strangers_are_found_by_the_plan(found_well, tmp_path):
    (tmp_path / "run/images").mkdir(parents=True)
    (tmp_path / "run/images/a.png").write_bytes(b"")
    report = plan_archive(settings(tmp_path / "run", tmp_path / "manifest.csv"), loaders=tiny_models.TINY)
    assert report.exit_code is ExitCode.CANNOT_START
    assert "has files (images/a.png) but no run.json" in report.message


def test_a_run_inside_its_photos_is_found_by_the_plan(found_well, tmp_path):
    report = plan_archive(settings(tmp_path / "in/run", tmp_path / "in"), loaders=tiny_models.TINY)
    assert report.exit_code is ExitCode.CANNOT_START
    assert "is inside manifest.path" in report.message


def test_a_worker_that_does_not_come_cannot_start(ray_cluster, archive, tmp_path, monkeypatch):
    calls = []

    def too_late(function, *arguments, **options):
        calls.append(function)
        raise TimeoutError

    monkeypatch.setattr(dry_run, "run_on_worker", too_late)
    report = plan_archive(settings(tmp_path / "run", archive.manifest), loaders=tiny_models.TINY)
    assert report.exit_code is ExitCode.CANNOT_START
    assert "TimeoutError" in report.message
    assert calls == [try_tile]


def work_of(**work):
    return PlanSummary(photos=1, shards=1, work=Workload(sized_rows=1, tiles=100, effort=100.0, **work))


@pytest.mark.parametrize(("deadline", "warns"), [(99.0, True), (201.0, False), (None, False)])
def test_a_deadline_that_the_largest_photo_will_pass_is_told(tmp_path, monkeypatch, deadline, warns):
    """At two seconds a tile."""
    planned = settings(tmp_path / "run", tmp_path / "manifest.csv")
    planned = planned.model_copy(update={"deadlines": planned.deadlines.model_copy(update={"restore": deadline})})
    monkeypatch.setattr(dry_run, "_seconds_on_worker", lambda *_: (2.0, None))
    monkeypatch.setattr(dry_run, "workers_now", lambda _: 1)
    lines = dry_run._time_lines(planned, tiny_models.TINY, work_of(most_effort=100.0))
    told = [line for line in lines if "the largest photo takes about 200 s, more than deadlines.restore" in line]
    assert len(told) == warns


def test_time_with_second_tries_is_told_beside_that_without(tmp_path, monkeypatch):
    planned = settings(tmp_path / "run", tmp_path / "manifest.csv", workers={"price_per_hour": 36.0})
    monkeypatch.setattr(dry_run, "_seconds_on_worker", lambda *_: (2.0, None))
    monkeypatch.setattr(dry_run, "workers_now", lambda _: 1)
    lines = dry_run._time_lines(planned, tiny_models.TINY, work_of(most_effort=3000.0, second_tries=100.0))
    again = "if every photo has weak tiles and is done again (without scoring and storage)"
    assert lines[1:3] == [f"time: about 0:03:20, 0:06:40 {again}", f"cost: about 2.00, 4.00 {again}"]
    assert "takes about 6,000 s, if it has weak tiles and is done again, more than deadlines.restore" in lines[3]


def test_a_trial_photo_is_restored_once_in_every_pass(tmp_path):
    tried = {"sampling": {"retry_weak": {"enabled": True}}}
    for restoration in (tried, {"passes": [tried, tried]}):
        planned = without_second_tries(settings(tmp_path, tmp_path, restoration=restoration))
        assert not any(each.sampling.retry_weak.enabled for each in planned.restoration.in_order)


def test_a_problem_that_several_find_is_told_once():
    assert str(PreflightFailed(["one", "two", "one"])) == "the run cannot start, 2 problem(s):\n- one\n- two"


@pytest.mark.parametrize(("has", "warns"), [(4_000_000_000, True), (5_000_000_000, False), (None, False)])
def test_a_photo_for_which_a_worker_has_too_little_memory_is_told(found_well, tmp_path, monkeypatch, has, warns):
    summary = work_of(most_pixels=432_000_000, most_memory=4_200_000_000)
    findings = Findings([], WorkerReport([], "model-1", memory=has))
    monkeypatch.setattr(dry_run, "plan_summary", lambda *_, **__: summary)
    monkeypatch.setattr(dry_run, "check_storage_and_workers", lambda *arguments: findings)
    report = plan_archive(settings(tmp_path / "run", tmp_path / "manifest.csv"), loaders=tiny_models.TINY)
    assert "memory: the largest photo takes about 4.2 GB on a worker, beside its models" in report.message
    assert ("a worker's machine has 4.0 GB" in report.message) is warns


def test_a_machine_knows_its_memory():
    assert 2**28 < machine_memory() < 2**50
