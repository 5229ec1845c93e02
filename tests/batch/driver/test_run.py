import dataclasses
import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tiny_models
from photo_archive import picture, results, settings, store_photos, without_traces
from without_ray import do_without_ray

from pasd_batch.batch.driver import run as run_module
from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.repair import repairing
from pasd_batch.batch.driver.run import CannotGoOn, check_again, run_archive
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.runs.damage import RunDamaged
from pasd_batch.runs.run_file import read_run
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.runs.shard_findings import ProblemKind
from pasd_batch.runs.status import read_status
from pasd_batch.runs.verification import Verifier
from pasd_batch.storage.storage import StorageError

pytestmark = pytest.mark.usefixtures("ray_cluster")


def run(run_settings, **options):
    return run_archive(run_settings, show_progress=False, loaders=options.pop("loaders", tiny_models.TINY), **options)


def test_a_whole_run_from_manifest_to_summary(archive, finished_run):
    root = finished_run()
    rows = results(root)
    assert len(rows) == archive.photos
    failed = {name: row["error_stage"] for name, row in rows.items() if row["status"] == "failed"}
    assert failed == archive.bad
    summary = json.loads((root / "summary.json").read_text())
    assert (summary["photos"], summary["ok"], summary["failed"]) == (30, 24, 6)
    assert sum(summary["failures"].values()) == 6
    run_file = json.loads((root / "run.json").read_text())
    assert (run_file["photos"], run_file["shards"]) == (30, 3)
    row = rows["in/000.png"]
    assert row["album"].startswith("album")
    assert row["config_fingerprint"] == run_file["config_fingerprint"]
    assert row["manifest_fingerprint"] == run_file["manifest_fingerprint"]
    assert Path(row["output_uri"]).is_file()
    stored = [path for path in (root / "images").rglob("*") if path.is_file()]
    assert len(stored) == 24


def test_the_same_command_again_does_nothing_and_applies_the_error_rate(archive, finished_run):
    root = finished_run()
    before = {path: path.stat().st_mtime_ns for path in (root / "results").iterdir()}
    report = run(settings(root, archive.manifest, max_error_rate=0.1))
    assert report.exit_code is ExitCode.TOO_MANY_FAILURES
    assert "20.0% failed" in report.message
    assert "decode/" in report.message
    assert report.hint.startswith(f"pasd-batch report {root} makes")
    assert report.counts.photos == 30
    assert {path: path.stat().st_mtime_ns for path in (root / "results").iterdir()} == before


def test_one_worker_makes_the_same_as_two(archive, finished_run, tmp_path):
    one, two = tmp_path / "one", finished_run()
    run(settings(one, archive.manifest, workers={"min": 1, "max": 1}, max_error_rate=0.5))
    assert contents(one / "images") == contents(two / "images")
    assert {name: without_traces(row) for name, row in results(one).items()} == {
        name: without_traces(row) for name, row in results(two).items()
    }
    assert len({row["worker"] for row in results(one).values()}) == 1


def test_lost_shards_are_made_again_and_the_others_left(archive, finished_run):
    root = finished_run()
    before = results(root)
    (root / "results" / "shard-000001.parquet").unlink()
    (root / "summary.json").unlink()
    # Where things run may change between resumes.
    resumed = settings(
        root,
        archive.manifest,
        workers={"max": 1, "prefetch": 2},
        max_attempts=5,
        max_error_rate=0.5,
        restoration={"model": {"device": "cpu"}},
    )
    report = run(resumed)
    assert report.exit_code is ExitCode.DONE, report.message
    after = results(root)
    assert {name: without_traces(row) for name, row in after.items()} == {
        name: without_traces(row) for name, row in before.items()
    }
    assert {row["shard"] for row in after.values() if row["attempt"] == 1} == {1}


def test_other_settings_and_another_manifest_are_refused_with_the_difference(archive, finished_run, tmp_path):
    root = finished_run()
    before = contents(root)
    fewer = tmp_path / "fewer.parquet"
    pq.write_table(pq.read_table(archive.manifest).slice(0, 20), fewer)
    shutil.copytree(archive.manifest.parent / "in", tmp_path / "in")
    report = run(settings(root, fewer, restoration={"sampling": {"steps": 7}}, shard_size=5))
    assert report.exit_code is ExitCode.CANNOT_START
    assert f"restoration.sampling.steps: {RestorationSettings().sampling.steps} in the run, 7 now" in report.message
    assert "shard_size: 10 in the run, 5 now" in report.message
    assert "30 photos" in report.message
    assert "20 photos of" in report.message
    assert contents(root) == before


def test_a_folder_with_files_of_others_is_refused(archive, tmp_path):
    store_photos(tmp_path / "run" / "images", {"holiday.png": picture(1)})
    report = run(settings(tmp_path / "run", archive.manifest))
    assert report.exit_code is ExitCode.CANNOT_START
    assert "holiday.png" in report.message


def test_all_that_is_wrong_is_said_at_once_and_nothing_is_begun(tmp_path):
    root = tmp_path / "run"
    broken = dataclasses.replace(tiny_models.WITHOUT_WEIGHTS, scorer=tiny_models.load_missing_metric)
    report = run(settings(root, tmp_path / "no-manifest.csv"), loaders=broken)
    assert report.exit_code is ExitCode.CANNOT_START
    assert "no-manifest.csv" in report.message
    assert "weights/unet: no such folder" in report.message
    assert "musiq.pth" in report.message
    assert not root.exists() or not list(root.iterdir())


def test_what_nobody_foresaw_is_an_incomplete_run(archive, tmp_path, monkeypatch, ray_cluster):
    def run_out(*arguments, **options):
        raise MemoryError("no room for the summary")

    monkeypatch.setattr(run_module, "work_off", run_out)
    report = run(settings(tmp_path / "run", archive.manifest), resume_command="pasd-batch run x.yaml")
    assert report.exit_code is ExitCode.INCOMPLETE
    assert report.message == "MemoryError: no room for the summary\npasd-batch run x.yaml resumes the run"


def test_storage_that_cannot_be_written_is_found_before_the_work(archive, tmp_path):
    (tmp_path / "file").write_text("")
    report = run(settings(tmp_path / "file" / "run", archive.manifest))
    assert report.exit_code is ExitCode.CANNOT_START
    assert "file/run" in report.message


def test_storage_trouble_in_the_middle_leaves_an_incomplete_run_that_resumes(archive, finished_run):
    root = finished_run()
    (root / "results" / "shard-000001.parquet").unlink()
    os.rename(root / "images", root / "elsewhere")
    (root / "images").write_text("in the way")
    report = run(settings(root, archive.manifest))
    assert report.exit_code is ExitCode.INCOMPLETE
    assert "1 of 3 shards are left" in report.message
    (root / "images").unlink()
    os.rename(root / "elsewhere", root / "images")
    assert run(settings(root, archive.manifest, max_error_rate=0.5)).exit_code is ExitCode.DONE


@pytest.fixture(scope="module")
def listed(ray_cluster, tmp_path_factory):
    """Settings of a finished run over a folder."""
    folder = tmp_path_factory.mktemp("listed")
    store_photos(folder / "in", {"a/1.png": picture(1), "b/1.png": picture(2), "b/2.png": picture(3)})
    begun = settings(folder / "run", folder / "in")
    assert run(begun).exit_code is ExitCode.DONE
    return begun


def test_a_folder_of_photos_is_a_manifest_too(listed):
    root = listed.output.root
    assert {row["output_path"] for row in results(root).values()} == {"a/1.png", "b/1.png", "b/2.png"}
    report = run(settings(root, f"{listed.manifest.path}/b"))
    assert report.exit_code is ExitCode.CANNOT_START
    assert "manifest.path" in report.message


def test_a_damaged_list_of_photos_is_named_and_made_again(listed):
    folder = RunFolder.open(listed.output.root, StorageSettings())
    run_file = read_run(folder.storage)
    assert run_file is not None
    (kept,) = Path(listed.output.root).glob("manifest-*.parquet")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-20])
    with pytest.raises(CannotGoOn, match=rf"{kept.name}: .*pasd-batch verify .*--repair mends it"):
        check_again(listed, tiny_models.TINY)
    with repairing(folder, run_file, listed, loaders=tiny_models.TINY) as repair:
        assert Verifier(folder, run_file, on_shard=repair.take_out).verify().counts == {ProblemKind.PHOTO_LIST: 1}
        repair.begin()
    assert kept.read_bytes() == whole
    assert Verifier(folder, run_file).verify().whole


def test_scores_alone(archive, tmp_path):
    root = tmp_path / "run"
    report = run(settings(root, archive.manifest, mode="score", max_error_rate=0.5))
    assert report.exit_code is ExitCode.DONE, report.message
    assert not (root / "images").exists()
    assert results(root)["in/003.png"]["scores"]["contrast_input"] > 0


def test_the_status_of_a_run_comes_from_storage_alone(finished_run):
    root = finished_run()
    status = read_status(str(root), StorageSettings())
    assert status.complete
    assert (status.counts.photos, status.counts.failed) == (30, 6)
    (root / "results" / "shard-000002.parquet").unlink()
    (root / "summary.json").unlink()
    status = read_status(str(root), StorageSettings(), examples=1)
    assert not status.complete
    assert (status.counts.photos, status.counts.shards, status.begun_shards) == (20, 2, 1)
    assert "photos: 20 of 30" in "\n".join(status.lines())


def test_rows_that_do_not_add_up_to_the_plan_are_noticed(archive, finished_run):
    root = finished_run()
    (root / "results" / "shard-000002.parquet").write_bytes((root / "results" / "shard-000000.parquet").read_bytes())
    (root / "results" / "shard-000007.parquet").write_bytes((root / "results" / "shard-000000.parquet").read_bytes())
    report = run(settings(root, archive.manifest))
    assert report.exit_code is ExitCode.INCOMPLETE
    assert "[7]" in report.message
    assert f"pasd-batch verify {root}" in report.message
    assert "resumes" not in report.message


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("error", "code", "resumes"),
    [
        (ManifestError("its URIs have passwords"), ExitCode.CANNOT_START, False),
        (StorageError("the disk is in trouble"), ExitCode.INCOMPLETE, True),
        (RunDamaged("a row is strange"), ExitCode.INCOMPLETE, False),
    ],
)
def test_what_fails_at_the_end_of_a_run_has_its_exit_code_then_and_when_it_is_complete(
    tmp_path, monkeypatch, error, code, resumes
):
    def failing(*_):
        raise error

    do_without_ray(monkeypatch.setattr)
    store_photos(tmp_path / "in", {"a.png": picture(1)})
    run_settings = settings(tmp_path / "run", tmp_path / "in")
    options = {"show_progress": False, "loaders": tiny_models.TINY, "resume_command": "this"}
    whole = run_module.finish
    reports = []
    for complete in (False, True):
        if complete:
            monkeypatch.setattr(run_module, "finish", whole)
            assert run_archive(run_settings, **options).exit_code is ExitCode.DONE
            monkeypatch.setattr(run_module, "work_off", lambda *_, **__: pytest.fail("the run is complete"))
        monkeypatch.setattr(run_module, "finish", failing)
        reports.append(run_archive(run_settings, **options))
    for report in reports:
        assert (report.exit_code, report.message) == (code, f"{error}" + "\nthis resumes the run" * resumes)
