"""Whole evaluations: from folders of pairs and photos to the tables; one on Ray, which is killed and goes on."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tiny_evaluation
from PIL import Image
from tiny_evaluation import QUICK, load_features, load_no_features, without_ray, write_pairs

from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.config.evaluation import EvaluationSettings
from pasd_batch.evaluation.evaluate import evaluate
from pasd_batch.evaluation.pages import to_markdown

MADE = (".png", ".npz", ".parquet")
WITHOUT = ["ssim", "ms_ssim", "fsim", "gmsd", "vif", "stlpips", "niqe", "grid_flat", "grid_edges"]


def settings_of(folder, output, **changes):
    """A variant on pairs and on photos that are degraded, with two metrics of photos and both of sets."""
    values = {
        "output": str(output),
        "sets": [
            {"name": "pairs", "pairs": str(folder / "pairs")},
            {
                "name": "degraded",
                "photos": str(folder / "pairs" / "test_HR"),
                "degradation": {"chain": "bicubic", "scale": 2, "resize_back": False},
                "crop": 48,
                "count": 4,
            },
        ],
        "variants": [{"name": "full"}],
        "protocol": "product",
        "also": ["fid", "kid"],
        "without": WITHOUT,
        "workers": {"max": 2},
        "shard_size": 3,
    }
    return EvaluationSettings.parse(values | changes)


def run(settings, network=load_features):
    return evaluate(settings, show_progress=False, loaders=QUICK, network=network)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An evaluation that nothing disturbed, and its report."""
    folder = tmp_path_factory.mktemp("evaluation")
    write_pairs(folder / "pairs", 7)
    with without_ray():
        report = run(settings_of(folder, folder / "out"))
    assert report.exit_code is ExitCode.DONE, report.message
    return folder, report


def pixels(output):
    """Pictures and features by kind and name; what folders lie above them depends on where the evaluation is."""
    return {
        (path.relative_to(output).parts[0], *path.parts[-3:]): path.read_bytes()
        for path in sorted(output.rglob("*"))
        if path.suffix in (".png", ".npz")
    }


def table(output):
    """The table of numbers but for the seconds, which it does not have."""
    return (output / "report" / "evaluation.csv").read_text()


def test_tables_have_every_method_on_every_set(finished):
    folder, report = finished
    rows = list(csv.DictReader(table(folder / "out").splitlines()))
    assert {(row["set"], row["method"]) for row in rows} == {
        (name, method) for name in ("pairs", "degraded") for method in ("Lanczos", "full")
    }
    assert {row["metric"] for row in rows} == {"psnr", "piqe", "fid", "kid"}
    assert {row["photos"] for row in rows if row["set"] == "pairs"} == {"7"}
    assert all(row["value"] for row in rows)
    page = to_markdown(report.outcome)
    assert "## pairs (7 photos)" in page
    assert "full against the others." in page
    assert page == (folder / "out" / "report" / "evaluation.md").read_text()


def test_means_are_those_of_the_runs_rows(finished):
    folder, _ = finished
    scores = pq.read_table(folder / "out" / "runs" / "full" / "results").to_pylist()
    values = [row["scores"]["psnr"] for row in scores if row["test_set"] == "pairs"]
    document = json.loads((folder / "out" / "report" / "evaluation.json").read_text())
    (full,) = (each for each in document["sets"][0]["methods"] if each["method"] == "full")
    assert full["means"]["psnr"] == pytest.approx(np.mean(values))
    assert sorted(full["values"]["psnr"]) == pytest.approx(sorted(values))
    low, high = full["intervals"]["psnr"]
    assert low < full["means"]["psnr"] < high
    assert document["metrics"]["piqe"]["higher_is_better"] is False


def test_photos_are_degraded_as_the_chain_says_and_restored_to_their_size(finished):
    folder, _ = finished
    made = folder / "out" / "sets" / "degraded"
    truths = sorted((made / "test_HR").iterdir())
    assert len(truths) == 4
    clean = np.asarray(Image.open(folder / "pairs" / "test_HR" / truths[0].name))
    assert np.array_equal(np.asarray(Image.open(truths[0])), clean[8:56, 8:56])
    assert Image.open(made / "test_LR" / truths[0].name).size == (24, 24)
    rows = pq.read_table(folder / "out" / "runs" / "full" / "results").to_pylist()
    sizes = {(row["output_width"], row["output_height"]) for row in rows if row["test_set"] == "degraded"}
    assert sizes == {(48, 48)}


def test_the_page_needs_nothing_but_itself_and_leads_to_the_comparison(finished):
    folder, _ = finished
    page = (folder / "out" / "report" / "index.html").read_text()
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    assert 'href="comparison.html"' in page
    assert (folder / "out" / "report" / "comparison.html").is_file()


def test_a_killed_evaluation_goes_on_to_the_same_numbers(finished, ray_cluster, tmp_path):
    folder, _ = finished
    settings, hold = settings_of(folder, tmp_path / "out", workers={"max": 1}), Path(os.environ["PASD_TEST_HOLD"])
    (tmp_path / "settings.json").write_text(json.dumps(settings.model_dump(mode="json")))
    hold.write_text("4")
    try:
        with (tmp_path / "log").open("wb") as log:
            script = tiny_evaluation.__file__
            command = [sys.executable, script, str(tmp_path / "settings.json"), "HELD", ray_cluster]
            environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(script).parent), *sys.path])}
            driver = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        results = tmp_path / "out" / "runs" / "full" / "results"
        deadline = time.monotonic() + 300
        while not list(results.glob("*.parquet")):
            assert driver.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        driver.kill()
        driver.wait()
    finally:
        hold.unlink(missing_ok=True)
    committed = {path: path.stat().st_mtime_ns for path in results.glob("*.parquet")}
    assert 0 < len(committed) < 4
    assert run(settings).exit_code is ExitCode.DONE
    assert {path: path.stat().st_mtime_ns for path in committed} == committed
    assert pixels(tmp_path / "out") == pixels(folder / "out")
    assert table(tmp_path / "out") == table(folder / "out")


def test_done_is_done_but_for_what_is_missing(finished):
    folder, _ = finished
    out, numbers, before = folder / "out", table(folder / "out"), pixels(folder / "out")
    next((out / "features").rglob("truth/pairs/*.npz")).unlink()
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.*") if path.suffix in MADE}
    with without_ray():
        assert run(settings_of(folder, out)).exit_code is ExitCode.DONE
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert (pixels(out), table(out)) == (before, numbers)


def test_a_network_that_is_missing_is_told_before_anything_is_restored(finished, tmp_path):
    folder, _ = finished
    with without_ray():
        report = run(settings_of(folder, tmp_path / "out"), network=load_no_features)
    assert report.exit_code is ExitCode.CANNOT_START
    assert "the network is not here; or leave such metrics out: without: [fid]" in report.message
    assert not (tmp_path / "out").exists()


def test_a_cluster_without_room_for_a_worker_is_told_before_anything_is_restored(finished, tmp_path, monkeypatch):
    def full(*_, settings, seconds):
        raise TimeoutError

    folder, _ = finished
    with without_ray():
        monkeypatch.setattr("pasd_batch.evaluation.evaluate.run_on_worker", full)
        report = run(settings_of(folder, tmp_path / "out", workers={"gpus": 1}))
    assert report.exit_code is ExitCode.CANNOT_START
    assert "no place for one with 1 CPU(s) and 1 GPU(s); lower workers.cpus" in report.message


def test_a_metric_that_cannot_be_left_out_is_told_before_ray_starts(finished, tmp_path, monkeypatch):
    folder, _ = finished
    monkeypatch.setattr("pasd_batch.evaluation.evaluate.ray_session", lambda address: pytest.fail("Ray was started"))
    report = run(settings_of(folder, tmp_path / "out", without=["maniqa"]))
    assert report.exit_code is ExitCode.CANNOT_START
    assert "without: maniqa is not in protocol" in report.message


def test_other_photos_in_a_set_are_told(finished):
    folder, _ = finished
    sets = [{"name": "pairs", "pairs": str(folder / "pairs"), "count": 3}]
    with without_ray():
        report = run(settings_of(folder, folder / "out", sets=sets))
    assert report.exit_code is ExitCode.CANNOT_START
    assert "has other photos or captions than the sets have now" in report.message


def test_photos_of_a_set_that_is_degraded_otherwise_are_not_taken(finished):
    folder, _ = finished
    settings = settings_of(folder, folder / "out", seed=1)
    with without_ray():
        report = run(settings)
    assert report.exit_code is ExitCode.CANNOT_START
    assert "the photos there were degraded otherwise" in report.message


def test_a_photo_that_fails_leaves_no_table(tmp_path):
    write_pairs(tmp_path / "pairs", 3)
    (tmp_path / "pairs" / "test_LR" / "0001.png").write_bytes(b"")
    sets = [{"name": "pairs", "pairs": str(tmp_path / "pairs"), "scale": 2}]
    with without_ray():
        report = run(settings_of(tmp_path, tmp_path / "out", sets=sets))
    assert report.exit_code is ExitCode.TOO_MANY_FAILURES
    assert not (tmp_path / "out" / "report").exists()


def test_pictures_that_are_gone_leave_it_incomplete_and_are_named(tmp_path):
    write_pairs(tmp_path / "pairs", 3)
    sets = [{"name": "pairs", "pairs": str(tmp_path / "pairs")}]
    settings = settings_of(tmp_path, tmp_path / "out", sets=sets)
    with without_ray():
        assert run(settings).exit_code is ExitCode.DONE
        next((tmp_path / "out" / "features").rglob("full/pairs/*.npz")).unlink()
        next((tmp_path / "out" / "runs" / "full" / "images").rglob("0001.png")).write_bytes(b"")
        report = run(settings)
    assert report.exit_code is ExitCode.INCOMPLETE
    assert "features of features/inception/variants/full/pairs/part-00000.npz" in report.message
    assert "the same command goes on" in report.message
