"""Workers and drivers killed at random moments, storage in trouble; afterwards nothing is lost, doubled or changed.

`PASD_CHAOS_KILLS` says how many processes are killed in each test; `make chaos` sets it to hundreds.
"""

import contextlib
import hashlib
import io
import os
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_models
from chaos import Chaos, Driver
from photo_archive import Archive, settings, store_photos, without_traces
from troubled_s3 import BUCKET

from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.run import run_archive
from pasd_batch.config.storage import StorageSettings
from pasd_batch.storage.reading import read_uri
from pasd_batch.storage.storage import NotFound, Storage

KILLS = int(os.environ.get("PASD_CHAOS_KILLS", "5"))
KILLS_A_RUN = 12
SECONDS_BETWEEN_KILLS = 4.0
"""At most, on a machine where an undisturbed run takes up to five times as long; else more, so that kills fall into
the same phases of a run."""

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800 + 240 * KILLS)]
PATIENT = {"retry": {"attempts": 15, "first_delay": 0.01, "max_delay": 0.5}}


@dataclass(frozen=True)
class Expected:
    """What an undisturbed run over the large archive gives: rows, and the good photos' bytes."""

    rows: dict
    photos: dict = field(repr=False)
    seconds: float
    """How long it took."""


def run_settings(root, archive, **changes):
    changes = {"max_error_rate": 0.5, "workers": {"max": 2}, "storage": PATIENT} | changes
    return settings(root, archive.manifest, **changes)


def read_run(root):
    """Rows of a run by id, each photo exactly once, from any storage; fails on strangers in `results/`."""
    storage = Storage.open(str(root))
    names = sorted(storage.list("results"))
    assert names == [f"results/shard-{shard:06d}.parquet" for shard in range(len(names))]
    rows = pa.concat_tables([pq.read_table(io.BytesIO(storage.read(name))) for name in names]).to_pylist()
    by_id = {row["photo_id"]: row for row in rows}
    assert len(by_id) == len(rows)
    return by_id


def check(root, archive, expected):
    """Every manifest row once, bad photos failed where they should, all others like the undisturbed run's."""
    rows = read_run(root)
    assert rows.keys() == expected.rows.keys()
    failed = {name: row["error_stage"] for name, row in rows.items() if row["status"] == "failed"}
    assert failed == archive.bad, {name: rows[name] for name in failed.keys() ^ archive.bad.keys()}
    for name, photo in expected.photos.items():
        assert without_places(rows[name]) == without_places(expected.rows[name])
        stored = read_uri(rows[name]["output_uri"])
        assert stored == photo
        assert rows[name]["output_sha256"] == hashlib.sha256(stored).hexdigest()
    return rows


def without_places(row):
    """A row without what differs between archives in two places."""
    return without_traces(row) | dict.fromkeys(("uri", "output_path", "manifest_fingerprint"))


@pytest.fixture(scope="module")
def local_archive(tmp_path_factory, ray_cluster):
    folder = tmp_path_factory.mktemp("local-archive")

    def store(key, data):
        store_photos(folder, {key: data})

    return Archive.large(folder / "manifest.parquet", store, f"{folder}/")


@pytest.fixture(scope="module")
def expected(local_archive, tmp_path_factory):
    root, began = tmp_path_factory.mktemp("undisturbed") / "run", time.monotonic()
    report = run_archive(run_settings(root, local_archive), show_progress=False, loaders=tiny_models.TINY)
    assert report.exit_code is ExitCode.DONE, report.message
    seconds = time.monotonic() - began
    rows = read_run(root)
    good = {name: Path(row["output_uri"]).read_bytes() for name, row in rows.items() if row["status"] == "ok"}
    assert len(good) == 180
    return Expected(rows, good, seconds)


def attempt_texts(root):
    """A function that gives the texts of a run's attempt files."""
    storage = Storage.open(str(root), StorageSettings.model_validate(PATIENT))

    def texts():
        for path in storage.list("attempts"):
            if path.split("/")[-1].isdigit():
                # An attempt may be withdrawn at any moment.
                with contextlib.suppress(NotFound):
                    yield storage.read(path).decode()

    return texts


def survive(driver, chaos, seconds):
    """Start the driver again and again until the run is done; how often it was started."""
    starts = 1
    while not chaos.harass(driver.start(), seconds):
        starts += 1
    assert driver.wait() == ExitCode.DONE, driver.text()[-3000:]
    return starts


def report(line):
    """A line of the table; shown with `pytest -s`."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def harass_runs(name, place, archive, expected, ray_address, tmp_path, before_check=lambda: None):
    """Run after run over the archive, each with some kills, until all kills are made; prints a line for each."""
    left, chance, number = KILLS, random.Random(KILLS), 0
    while left > 0:
        root, began = place(number), time.monotonic()
        chaos = Chaos(attempt_texts(root), min(left, KILLS_A_RUN), random.Random(chance.random()))
        # Every other run is so slow that one shard is killed often enough to be taken apart photo by photo.
        loaders = "SLUGGISH" if number % 2 else "SLOW"
        driver = Driver(run_settings(root, archive), tmp_path / f"{number}.log", loaders, ray_address)
        starts = survive(driver, chaos, max(SECONDS_BETWEEN_KILLS, expected.seconds / 5))
        before_check()
        rows = check(root, archive, expected)
        isolated = sum(row["isolated"] for row in rows.values())
        killed = ", ".join(f"{kind} x {count}" for kind, count in chaos.killed.items())
        report(
            f"{name} run {number}: killed {killed}; {starts} driver starts, {isolated} photos one by one, "
            f"{time.monotonic() - began:.0f} s: all {len(rows)} rows right"
        )
        left -= max(1, sum(chaos.killed.values()))
        number += 1


def test_a_local_run_survives_kills(local_archive, expected, ray_cluster, tmp_path):
    harass_runs("local", lambda run: tmp_path / f"run{run}", local_archive, expected, ray_cluster, tmp_path)


def test_a_run_on_s3_survives_kills_and_storage_in_trouble(s3_server, expected, ray_cluster, tmp_path):
    client = s3_server.client()

    def store(key, data):
        client.put_object(Bucket=BUCKET, Key=f"in/{key}", Body=data)

    archive = Archive.large(tmp_path / "manifest.parquet", store, f"s3://{BUCKET}/in/")

    def place(run):
        # Of some 300 writes a run, so that hardly ever fewer than four are lost.
        s3_server.busy, s3_server.cut_short, s3_server.unanswered = 0.2, 0.03, 0.03
        return f"s3://{BUCKET}/run{run}"

    harass_runs("S3", place, archive, expected, ray_cluster, tmp_path, s3_server.calm)
    report(f"S3 answered: {dict(s3_server.seen)}")
    assert s3_server.seen["503 Slow Down"] > 100
    assert s3_server.seen["cut short"] + s3_server.seen["unanswered"] > 3
