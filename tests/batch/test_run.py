import dataclasses
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_models
from photo_archive import BAD, picture, results, settings, store_photos, without_traces

from pasd_batch.batch.run import ExitCode, run_archive
from pasd_batch.batch.status import read_status
from pasd_batch.config.storage import StorageSettings

pytestmark = pytest.mark.usefixtures("ray_cluster")


@pytest.fixture
def archive(tmp_path):
    """A manifest of 24 good photos and 6 bad ones, with an album and two prompts."""
    photos = {f"in/{number:03d}.png": picture(number) for number in range(24)}
    bad = {f"in/bad/{name}.jpg": data for name, data in BAD.items()}
    store_photos(tmp_path, photos | bad)
    uris = [*photos, *bad, "in/missing.png"]
    manifest = tmp_path / "manifest.parquet"
    pq.write_table(pa.table({"uri": uris, "album": [f"album {len(uri) % 3}" for uri in uris]}), manifest)
    return manifest


def run(run_settings, **options):
    return run_archive(run_settings, show_progress=False, loaders=options.pop("loaders", tiny_models.TINY), **options)


def by_uri(root):
    return {Path(row["uri"]).name: row for row in results(root).values()}


def test_a_whole_run_from_manifest_to_summary(archive, tmp_path):
    root = tmp_path / "run"
    report = run(settings(root, archive, max_error_rate=0.5))
    assert report.exit_code is ExitCode.DONE, report.message
    rows = by_uri(root)
    assert len(rows) == 30
    assert {name for name, row in rows.items() if row["status"] == "failed"} == {
        *(f"{name}.jpg" for name in BAD),
        "missing.png",
    }
    summary = json.loads((root / "summary.json").read_text())
    assert (summary["photos"], summary["ok"], summary["failed"]) == (30, 24, 6)
    assert sum(summary["failures"].values()) == 6
    run_file = json.loads((root / "run.json").read_text())
    assert (run_file["photos"], run_file["shards"]) == (30, 3)
    row = rows["000.png"]
    assert row["album"].startswith("album")
    assert row["config_fingerprint"] == run_file["config_fingerprint"]
    assert row["manifest_fingerprint"] == run_file["manifest_fingerprint"]
    assert Path(row["output_uri"]).is_file()
    stored = [path for path in (root / "images").rglob("*") if path.is_file()]
    assert len(stored) == 24


def test_more_failures_than_allowed_end_non_zero_after_everything_is_done(archive, tmp_path):
    report = run(settings(tmp_path / "run", archive, max_error_rate=0.1))
    assert report.exit_code is ExitCode.TOO_MANY_FAILURES
    assert "20.0% failed" in report.message
    assert "decode/" in report.message
    assert report.counts.photos == 30


def test_the_same_command_again_does_nothing_and_says_the_same(archive, tmp_path):
    root = tmp_path / "run"
    first = run(settings(root, archive, max_error_rate=0.5))
    before = {path: path.stat().st_mtime_ns for path in (root / "results").iterdir()}
    second = run(settings(root, archive, max_error_rate=0.5))
    assert second == first
    assert {path: path.stat().st_mtime_ns for path in (root / "results").iterdir()} == before


def test_one_worker_and_two_make_the_same(archive, tmp_path):
    made = []
    for workers in (1, 2):
        root = tmp_path / f"run{workers}"
        run(settings(root, archive, workers={"min": workers, "max": workers}, shard_size=4))
        images = {path.relative_to(root): path.read_bytes() for path in (root / "images").rglob("*") if path.is_file()}
        rows = {name: without_traces(row) for name, row in results(root).items()}
        made.append((images, rows))
    assert made[0] == made[1]


def test_lost_shards_are_made_again_and_the_others_left(archive, tmp_path):
    root = tmp_path / "run"
    run(settings(root, archive))
    before = results(root)
    (root / "results" / "shard-000001.parquet").unlink()
    (root / "summary.json").unlink()
    report = run(settings(root, archive, workers={"max": 1}, max_error_rate=0.5))
    assert report.exit_code is ExitCode.DONE
    after = results(root)
    assert {name: without_traces(row) for name, row in after.items()} == {
        name: without_traces(row) for name, row in before.items()
    }
    assert {row["shard"] for name, row in after.items() if row["attempt"] == 1} == {1}


def test_other_settings_another_manifest_or_model_are_refused_with_the_difference(archive, tmp_path):
    root = tmp_path / "run"
    run(settings(root, archive))
    before = results(root)
    changed = settings(root, archive, restoration={"sampling": {"steps": 7, "seed": 3}}, shard_size=5)
    report = run(changed)
    assert report.exit_code is ExitCode.CANNOT_START
    assert "restoration.sampling.steps: 20 in the run, 7 now" in report.message
    assert "restoration.sampling.seed: 0 in the run, 3 now" in report.message
    assert "shard_size: 10 in the run, 5 now" in report.message
    report = run(settings(root, archive), loaders=tiny_models.OTHER_WEIGHTS)
    assert "model weights: model-fingerprint in the run, other weights now" in report.message
    table = pq.read_table(archive)
    pq.write_table(table.slice(0, 20), archive)
    report = run(settings(root, archive))
    assert report.exit_code is ExitCode.CANNOT_START
    assert "30 photos" in report.message
    assert "20 of" in report.message
    assert results(root) == before


def test_where_things_run_may_change_between_resumes(archive, tmp_path):
    root = tmp_path / "run"
    run(settings(root, archive))
    report = run(
        settings(
            root,
            archive,
            workers={"max": 1, "prefetch": 2},
            max_attempts=5,
            max_error_rate=0.5,
            restoration={"model": {"device": "cpu"}},
        )
    )
    assert report.exit_code is ExitCode.DONE, report.message


def test_a_folder_with_files_of_others_is_refused(archive, tmp_path):
    store_photos(tmp_path / "run" / "images", {"holiday.png": picture(1)})
    report = run(settings(tmp_path / "run", archive))
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


def test_storage_that_cannot_be_written_is_found_before_the_work(archive, tmp_path):
    (tmp_path / "file").write_text("")
    report = run(settings(tmp_path / "file" / "run", archive))
    assert report.exit_code is ExitCode.CANNOT_START
    assert "file/run" in report.message


def test_storage_trouble_in_the_middle_leaves_an_incomplete_run_that_resumes(archive, tmp_path):
    root = tmp_path / "run"
    run(settings(root, archive))
    (root / "results" / "shard-000001.parquet").unlink()
    os.rename(root / "images", root / "elsewhere")
    (root / "images").write_text("in the way")
    report = run(settings(root, archive))
    assert report.exit_code is ExitCode.INCOMPLETE
    assert "1 of 3 shards are left" in report.message
    (root / "images").unlink()
    os.rename(root / "elsewhere", root / "images")
    assert run(settings(root, archive, max_error_rate=0.5)).exit_code is ExitCode.DONE


def test_a_folder_of_photos_is_a_manifest_too(tmp_path):
    store_photos(tmp_path / "in", {"a/1.png": picture(1), "b/1.png": picture(2), "b/2.png": picture(3)})
    root = tmp_path / "run"
    assert run(settings(root, tmp_path / "in")).exit_code is ExitCode.DONE
    assert {row["output_path"] for row in results(root).values()} == {"a/1.png", "b/1.png", "b/2.png"}
    report = run(settings(root, tmp_path / "in" / "b"))
    assert report.exit_code is ExitCode.CANNOT_START
    assert "manifest.path" in report.message


def test_scores_alone(archive, tmp_path):
    root = tmp_path / "run"
    report = run(settings(root, archive, mode="score", max_error_rate=0.5))
    assert report.exit_code is ExitCode.DONE, report.message
    assert not (root / "images").exists()
    assert by_uri(root)["003.png"]["scores"]["contrast_input"] > 0


def test_the_status_of_a_run_comes_from_storage_alone(archive, tmp_path):
    root = tmp_path / "run"
    run(settings(root, archive))
    status = read_status(str(root), StorageSettings())
    assert status.complete
    assert (status.counts.photos, status.counts.failed) == (30, 6)
    (root / "results" / "shard-000002.parquet").unlink()
    (root / "summary.json").unlink()
    status = read_status(str(root), StorageSettings(), examples=1)
    assert not status.complete
    assert (status.counts.photos, status.counts.shards, status.begun_shards) == (20, 2, 1)
    text = "\n".join(status.lines())
    assert "photos: 20 of 30" in text
