"""A worker that is asked to end, as on a node that is taken away with notice, takes back its attempt."""

import json
import os
import signal
import threading
import time

import tiny_models
from photo_archive import results, settings

from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.run import run_archive

PATIENCE_SECONDS = 120.0


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_an_attempt_that_was_ended_with_notice_does_not_count_as_a_crash(hold, archive, tmp_path):
    hold.write_text("2")
    root, reports = tmp_path / "run", []
    run_settings = settings(root, archive.manifest, max_attempts=1, max_error_rate=0.5, workers={"max": 1})

    def drive():
        reports.append(run_archive(run_settings, show_progress=False, loaders=tiny_models.HELD))

    driver = threading.Thread(target=drive)
    driver.start()
    try:
        (first,) = wait_for(lambda: list(root.glob("attempts/000000/0")))
        worker = json.loads(first.read_text())["worker"]
        time.sleep(1.0)  # so that it is at the photos
        os.kill(int(worker.rpartition("/")[2]), signal.SIGTERM)
        wait_for(lambda: not first.exists() or json.loads(first.read_text())["worker"] != worker)
    finally:
        hold.unlink()
        driver.join()
    (report,) = reports
    assert report.exit_code is ExitCode.DONE, report.message
    rows = results(root).values()
    assert len(rows) == archive.photos
    # With max_attempts 1 a crash would have had the shard done photo by photo.
    assert not any(row["isolated"] for row in rows)
    assert {row["attempt"] for row in rows} == {0}
