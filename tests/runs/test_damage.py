"""Damage of a run's files: told by every reader, with the file and what mends it."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from manifests import ACCESS
from result_rows import row

from pasd_batch.records import PLAN_SCHEMA, RESULT_SCHEMA
from pasd_batch.runs.damage import RunDamaged, read_json
from pasd_batch.runs.failures import failures_of
from pasd_batch.runs.layout import RUN_FILE, plan_path, result_path
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.storage import NotFound, StorageError


@pytest.fixture
def run(tmp_path):
    """A run of one shard of 50 photos, with `run.json`."""
    folder = RunFolder.open(str(tmp_path / "run"), ACCESS)
    rows = [row(number, status="failed" if number == 7 else "ok") for number in range(50)]
    folder.commit(0, rows, RESULT_SCHEMA)
    plan = [
        {"photo_id": each["photo_id"], "uri": each["uri"], "output_path": f"{each['photo_id']}.png"} for each in rows
    ]
    folder.storage.write(plan_path(0), parquet(pa.Table.from_pylist(plan, schema=PLAN_SCHEMA)))
    folder.storage.write(RUN_FILE, b'{"format": 1}')
    return folder


def parquet(table):
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def with_a_flipped_bit(data):
    at = np.random.default_rng(1).integers(len(data) // 8, len(data) // 4)
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


DAMAGES = {
    "empty": lambda data: b"",
    "cut in half": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-20],
    "zeroed": lambda data: bytes(len(data)),
    "another kind of file": lambda data: b"<html>Service unavailable</html>",
    "its end zeroed": lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
    "a flipped bit in the values": with_a_flipped_bit,
    "another table": lambda data: parquet(pa.table({"a": [1]})),
    "another type": lambda data: parquet(pa.table({name: [1] for name in [*PLAN_SCHEMA.names, *RESULT_SCHEMA.names]})),
}


def damage(run, path, kind):
    run.storage.write(path, DAMAGES[kind](run.storage.read(path)))


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_results_are_named_with_the_remedy(run, kind, tmp_path):
    damage(run, result_path(0), kind)
    for read in (
        lambda: run.shard_rows(0),
        lambda: run.shard_rows(0, [*RESULT_SCHEMA.names]),
        lambda: list(run.rows(RESULT_SCHEMA.names)),
    ):
        with pytest.raises(RunDamaged, match=r"results/shard-000000\.parquet: .*pasd-batch verify .*--repair mends it"):
            read()
    if kind != "a flipped bit in the values":  # which may lie in columns that this does not read
        with pytest.raises(RunDamaged, match="results/shard-000000"):
            failures_of(run.storage.uri(), str(tmp_path / "failures.parquet"), ACCESS)
    assert not (tmp_path / "failures.parquet").exists()


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_plan_is_named_with_the_remedy(run, kind, tmp_path):
    checked = io.BytesIO()
    table = pq.read_table(io.BytesIO(run.storage.read(plan_path(0))))
    pq.write_table(table, checked, write_page_checksum=True, use_dictionary=False, write_statistics=False)
    run.storage.write(plan_path(0), checked.getvalue())
    damage(run, plan_path(0), kind)
    with pytest.raises(RunDamaged, match=r"plan/shard-000000\.parquet: .*--repair mends it"):
        run.plan(0)
    with pytest.raises(RunDamaged, match="plan/shard-000000"):
        failures_of(run.storage.uri(), str(tmp_path / "failures.parquet"), ACCESS)


@pytest.mark.parametrize("data", [b"", b'{"format": 1, "pho', b"\0" * 40, b"[]", b"null", b"\xff\xfe{}"])
def test_a_damaged_json_file_is_named_with_the_remedy(run, data):
    run.storage.write(RUN_FILE, data)
    with pytest.raises(RunDamaged, match=r"run\.json: .*--repair --config CONFIG, .*mends it"):
        read_json(run.storage, RUN_FILE)


def test_a_plan_that_lacks_a_failed_photo_is_damaged(run, tmp_path):
    run.storage.write(plan_path(0), parquet(run.plan(0).slice(0, 7)))
    with pytest.raises(RunDamaged, match="does not plan all photos"):
        failures_of(run.storage.uri(), str(tmp_path / "failures.parquet"), ACCESS)


def test_what_is_not_there_or_cannot_be_opened_is_no_damage(run, tmp_path):
    (tmp_path / "run/results/shard-000000.parquet").unlink()
    (tmp_path / "run/results/shard-000000.parquet").mkdir()
    for read in (lambda: run.shard_rows(5), lambda: run.plan(5), lambda: read_json(run.storage, "none.json")):
        with pytest.raises(NotFound):
            read()
    with pytest.raises(StorageError) as trouble:
        run.shard_rows(0)
    assert not isinstance(trouble.value, RunDamaged)
