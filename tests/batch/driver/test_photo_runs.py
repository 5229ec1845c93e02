"""Runs over folders of photos: listed once, when the run really begins, and never needed again as a list."""

import shutil
from pathlib import Path

import pytest
import tiny_models
from photo_archive import picture, results, settings, store_photos

from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.run import run_archive
from pasd_batch.batch.local.restoring import restore_photos

pytestmark = pytest.mark.usefixtures("ray_cluster")


def run(root: Path, manifest: Path, loaders=tiny_models.TINY):
    return run_archive(settings(root, str(manifest)), show_progress=False, loaders=loaders)


def test_a_start_that_failed_lists_nothing_for_the_next(tmp_path):
    store_photos(tmp_path / "a", {"wrong.png": picture(1)})
    store_photos(tmp_path / "b", {"right.png": picture(2)})
    root = tmp_path / "run"
    failed = run(root, tmp_path / "a", tiny_models.WITHOUT_WEIGHTS)
    assert failed.exit_code is ExitCode.CANNOT_START
    assert not root.exists() or not list(root.iterdir())
    assert run(root, tmp_path / "b").exit_code is ExitCode.DONE
    assert set(results(root)) == {"right.png"}


def test_a_run_that_has_begun_needs_its_folder_no_more(tmp_path):
    store_photos(tmp_path / "in", {"1.png": picture(1), "2.png": picture(2)})
    root = tmp_path / "run"
    assert run(root, tmp_path / "in").exit_code is ExitCode.DONE
    (tmp_path / "in/notes.csv").write_text("uri\nx.jpg\n")
    (tmp_path / "in/1.png").unlink()
    report = run(root, tmp_path / "in")
    assert report.exit_code is ExitCode.DONE, report.message
    shutil.rmtree(tmp_path / "in")
    report = run(root, tmp_path / "in")
    assert report.exit_code is ExitCode.DONE, report.message
    assert set(results(root)) == {"1.png", "2.png"}


def test_a_run_inside_its_photos_is_refused_before_anything_is_written(tmp_path):
    store_photos(tmp_path / "in", {"1.png": picture(1)})
    report = run(tmp_path / "in/run", tmp_path / "in")
    assert report.exit_code is ExitCode.CANNOT_START
    assert "is inside manifest.path" in report.message
    assert not list((tmp_path / "in/run").glob("*"))


def test_links_out_of_the_folder_are_failed_rows_that_say_nothing_of_what_is_there(tmp_path):
    store_photos(tmp_path, {"in/1.png": picture(1), "in/sub/2.png": picture(2), "private/3.png": picture(3)})
    (tmp_path / "in/linked.png").symlink_to("sub/2.png")
    (tmp_path / "in/out.png").symlink_to(tmp_path / "private/3.png")
    root = tmp_path / "run"
    assert run(root, tmp_path / "in").exit_code is ExitCode.TOO_MANY_FAILURES
    rows = results(root)
    assert {name for name, row in rows.items() if row["status"] == "ok"} == {"1.png", "sub/2.png", "linked.png"}
    row = rows["out.png"]
    assert (row["error_stage"], row["error_type"]) == ("fetch", "InvalidLocation")
    assert f"name its folder ({tmp_path}/private) in storage.allowed_folders" in row["error_message"]
    assert (row["input_sha256"], row["input_bytes"]) == (None, None)
    allowed = settings(root, str(tmp_path / "in"), storage={"allowed_folders": [str(tmp_path / "private")]})
    (root / "results/shard-000000.parquet").unlink()
    report = run_archive(allowed, show_progress=False, loaders=tiny_models.TINY)
    assert (report.exit_code, report.counts.failed) == (ExitCode.DONE, 0)


def test_restore_gives_the_bytes_of_the_run(tmp_path):
    photos = {"1.png": picture(1), "1.jpg": picture(2, "JPEG"), "sub/2.jpg": picture(3, "JPEG"), "sub/3.webp": b"none"}
    store_photos(tmp_path / "in", photos)
    root, output = tmp_path / "run", tmp_path / "out"
    assert run(root, tmp_path / "in").exit_code is ExitCode.TOO_MANY_FAILURES
    rows = restore_photos([tmp_path / "in"], output, loaders=tiny_models.TINY)
    stored = results(root)
    assert len(stored) == len(rows) == 4
    for row in rows:
        in_run = stored[row["photo_id"]]
        for name in ("status", "error_message", "output_path", "output_sha256", "seed", "model_fingerprint"):
            assert row[name] == in_run[name]
        if row["output_path"]:
            path = row["output_path"]
            assert (output / path).read_bytes() == (root / "images" / path).read_bytes()
