"""Audits on Ray: killed workers and drivers lose no photo, and duplicates are found by tasks."""

import json
import os
import signal
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from audit_runs import audited_row, commit_audit
from chaos import Driver
from photo_archive import BAD, picture, settings, store_photos

from pasd_batch.audit import dataset
from pasd_batch.audit.groups import groups_of
from pasd_batch.audit.links import links_of
from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.config.audit import AuditSettings
from pasd_batch.photos.estimates.measures import measure_photo
from pasd_batch.photos.photo_io import decode_photo

PHOTOS = 13


def test_a_killed_audit_resumes_and_loses_no_photo(ray_cluster, tmp_path):
    photos = {f"in/{number:02d}.png": picture(number) for number in range(PHOTOS)}
    photos["in/02.png"] = photos["in/11.png"] = picture(7)
    store_photos(tmp_path, photos | {f"in/{name}.jpg": BAD[name] for name in ("empty", "text")})
    root = tmp_path / "audit"
    run = settings(root, tmp_path / "in", mode="audit", shard_size=3, max_error_rate=0.5)
    driver = Driver(run, tmp_path / "driver.log", "AUDITING", ray_cluster)

    def committed():
        return len(list((root / "results").glob("*.parquet")))

    driver.start().wait_until(lambda: committed() >= 1)
    for path in (root / "attempts").glob("*/0"):
        os.kill(int(json.loads(path.read_text())["worker"].rpartition("/")[2]), signal.SIGKILL)
    before = committed()
    driver.wait_until(lambda: committed() > before)
    driver.kill()
    assert before < committed() < 5, "killed too late to show anything"
    assert not (root / "audit.parquet").exists()
    assert driver.start().wait() == ExitCode.DONE, driver.text()[-3000:]
    assert "2 unreadable, 2 exact_duplicate" in driver.text()

    rows = {row["photo_id"]: row for row in pq.read_table(root / "audit.parquet").to_pylist()}
    assert len(rows) == PHOTOS + 2
    for name, data in photos.items():
        row, measures = rows[name.removeprefix("in/")], asdict(measure_photo(decode_photo(data)))
        assert {column: row[column] for column in measures} == measures
    assert {name: row["duplicate_of"] for name, row in rows.items() if "exact_duplicate" in row["issues"]} == {
        "07.png": "02.png",
        "11.png": "02.png",
    }


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("most_at_once", [1000, 10])
def test_ray_finds_the_duplicates_that_one_process_finds(tmp_path, monkeypatch, most_at_once):
    rows = [audited_row(number, failed=number % 10 == 9) for number in range(60)]
    for first, second in ((3, 40), (4, 41), (5, 42), (5, 50)):
        rows[second]["audit"]["pixel_hash"] = rows[first]["audit"]["pixel_hash"]
        seen = int(rows[first]["audit"]["perceptual_hash"], 16)
        rows[second]["audit"]["perceptual_hash"] = f"{seen ^ (second % 3):016x}"
    folder, run = commit_audit(tmp_path, rows, shard_size=7)
    monkeypatch.setattr(dataset, "_PHOTOS_IN_ONE_BLOCK", most_at_once)
    monkeypatch.setattr(dataset, "_PHOTOS_A_PART", 30)
    found = dataset.find_duplicates(folder, run, AuditSettings())
    keys = pa.concat_tables([dataset.photo_keys(folder, shard, 7) for shard in folder.committed()])
    for name, values in vars(groups_of(links_of(keys, 6))).items():
        assert np.array_equal(getattr(found, name), values), name
    assert found.numbers.tolist() == [3, 4, 5, 40, 41, 42, 50]
