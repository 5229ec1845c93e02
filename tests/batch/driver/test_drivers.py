"""Drivers as real processes: two at once, interrupted ones, photos that end their workers, a cluster that changes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import changing_cluster
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chaos import Driver
from photo_archive import Archive, picture, results, settings, store_photos, without_traces

from pasd_batch.batch.driver.exit_code import ExitCode

pytestmark = pytest.mark.timeout(2400)


def test_two_drivers_on_one_run_make_one_result(archive, finished_run, ray_cluster, tmp_path):
    root = tmp_path / "both"
    run_settings = settings(root, archive.manifest, workers={"max": 1}, max_error_rate=0.5, shard_size=3)
    drivers = [Driver(run_settings, tmp_path / f"{name}.log", "SLOW", ray_cluster).start() for name in ("a", "b")]
    assert [driver.wait() for driver in drivers] == [ExitCode.DONE] * 2, drivers[0].text() + drivers[1].text()
    rows = results(root)
    assert len(rows) == archive.photos
    alone = results(finished_run())
    for name, row in rows.items():
        expected = without_traces(alone[name]) | {"config_fingerprint": row["config_fingerprint"]}
        assert {**without_traces(row), "output_sha256": None, "output_bytes": None} == {
            **expected,
            "output_sha256": None,
            "output_bytes": None,
        }
    assert json.loads((root / "summary.json").read_text())["photos"] == archive.photos


def test_sigint_to_the_whole_process_group_ends_a_local_run_cleanly_and_it_resumes(
    archive, hold, ray_cluster, tmp_path
):
    root = tmp_path / "run"
    run_settings = settings(root, archive.manifest, workers={"max": 1}, max_error_rate=0.5)
    # One shard is committed, and the next one is in work until the interrupt.
    hold.write_text("10")
    began = time.monotonic()
    driver = Driver(run_settings, tmp_path / "driver.log", "HELD", options={"start_new_session": True}).start()
    driver.wait_until(lambda: list(root.glob("results/*.parquet")) and len(list(root.glob("attempts/*/*"))) > 1)
    interrupted = time.monotonic()
    os.killpg(driver.process.pid, signal.SIGINT)
    assert driver.wait() == ExitCode.INTERRUPTED, driver.text()[-3000:]
    # Soon: in less than it took to get here, on a machine that is too busy for 20 seconds.
    assert time.monotonic() - interrupted < max(20.0, interrupted - began)
    assert "python driver_process.py ... resumes the run" in driver.text()
    assert "Traceback" not in driver.text()
    committed = {path.stem.split("-")[1] for path in root.glob("results/*.parquet")}
    # An attempt that was interrupted on purpose is no crash.
    assert {path.parent.name for path in root.glob("attempts/*/*")} == committed
    assert Driver(run_settings, tmp_path / "again.log", "TINY", ray_cluster).start().wait() == ExitCode.DONE
    rows = results(root)
    assert {name: row["error_stage"] for name, row in rows.items() if row["status"] == "failed"} == archive.bad


def test_sigterm_ends_a_driver_cleanly_too(archive, hold, ray_cluster, tmp_path):
    root = tmp_path / "run"
    run_settings = settings(root, archive.manifest)
    hold.touch()
    driver = Driver(run_settings, tmp_path / "driver.log", "HELD", ray_cluster).start()
    driver.wait_until(lambda: list(root.glob("attempts/*/*")))
    driver.process.terminate()
    assert driver.wait() == ExitCode.TERMINATED
    assert "resumes the run" in driver.text()


def test_a_photo_whose_decoder_ends_the_process_costs_one_row(ray_cluster, tmp_path):
    photos = {f"{number:02d}.png": picture(number) for number in range(12)} | {"05-deadly.gif": picture(5, "GIF")}
    store_photos(tmp_path / "in", photos)
    manifest = tmp_path / "manifest.parquet"
    pq.write_table(pa.table({"uri": [f"in/{name}" for name in sorted(photos)]}), manifest)
    run_settings = settings(tmp_path / "run", manifest, shard_size=4, max_attempts=2, max_error_rate=0.5)
    driver = Driver(run_settings, tmp_path / "driver.log", "WITH_DEADLY_DECODER", ray_cluster).start()
    assert driver.wait() == ExitCode.DONE, driver.text()[-3000:]
    rows = {Path(row["uri"]).name: row for row in results(tmp_path / "run").values()}
    assert rows.keys() == photos.keys()
    failed = [(name, row["error_stage"], row["error_type"]) for name, row in rows.items() if row["status"] != "ok"]
    assert failed == [("05-deadly.gif", "process", "ProcessDied")]
    assert {name for name, row in rows.items() if row["isolated"]} == {"04.png", "05-deadly.gif", "05.png", "06.png"}


def test_a_pool_grows_with_its_cluster_and_survives_the_loss_of_a_node(tmp_path):
    archive = Archive.small(tmp_path)
    run_settings = settings(
        tmp_path / "run", archive.manifest, workers={"max": None, "gpus": 1}, shard_size=1, max_error_rate=0.5
    )
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(run_settings.model_dump(mode="json")))
    script = Path(changing_cluster.__file__)
    environment = os.environ | {"PYTHONPATH": str(script.parent)}
    command = [sys.executable, str(script), str(path), str(tmp_path / "seen.json")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen["workers_on_one_node"] == 1
    assert seen["workers_on_three_nodes"] >= 3
    rows = results(tmp_path / "run")
    assert len(rows) == archive.photos
    assert {name: row["error_stage"] for name, row in rows.items() if row["status"] == "failed"} == archive.bad
    assert max(row["attempt"] for row in rows.values()) >= 1
