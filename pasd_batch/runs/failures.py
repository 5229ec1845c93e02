"""A manifest of the photos that a run failed on."""

import itertools
import tempfile
from collections.abc import Iterator

import pyarrow as pa

from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.pieces import KNOWN_NAMES_KEY
from pasd_batch.manifests.writing import refuse_other_formats, write_file, write_tables
from pasd_batch.records import PLAN_SCHEMA, RENAMED_PREFIX, Status, extra_columns
from pasd_batch.runs.plan_key import key_of_run
from pasd_batch.runs.run_folder import RunFolder, damaged, plan_path
from pasd_batch.storage.sealing import has_sealed, unsealed
from pasd_batch.storage.threads import in_threads


def failures_of(run: str, target: str, access: StorageSettings) -> int:
    """Write a Parquet manifest of all photos that have failed so far in the run at `run`; how many there are.

    Rows are as they were planned: same ids, so that a new run gives the same results, and the same output tree. The
    file says of itself how it is read, so a run's own `manifest.format` and `manifest.columns` do not matter for it.
    Nothing is written if there is none.

    Raises:
        ManifestError: the target is not called like a Parquet file; or URIs have credentials, and the manifest that the
            run began with is not there any more.
        StorageError: the run cannot be read, or the target not be written.
    """
    refuse_other_formats(target)
    folder = RunFolder.open(run, access)
    tables = _whole(in_threads(lambda shard: _failed_rows(shard, folder), folder.committed()), folder)
    filled = (table for table in tables if table.num_rows)
    first = next(filled, None)
    if first is None:
        return 0
    with tempfile.TemporaryFile() as file:
        photos = write_tables(file, itertools.chain([first], filled))
        write_file(target, file.read(), access)
    return photos


def _failed_rows(shard: int, folder: RunFolder) -> pa.Table:
    results = folder.rows(shard, ["photo_id", "status"])
    failed = {row["photo_id"] for row in results.to_pylist() if row["status"] == Status.FAILED}
    if not failed:
        return pa.table({})
    planned = folder.plan(shard)
    rows = planned.filter(pa.array([identity in failed for identity in planned["photo_id"].to_pylist()]))
    if rows.num_rows != len(failed):
        raise damaged(folder.storage, plan_path(shard), "does not plan all photos of which there are rows")
    columns = {"id": rows["photo_id"]}
    for name in PLAN_SCHEMA.names:
        if name not in ("photo_id", "output_path"):
            columns[name] = rows[name]
    for extra in extra_columns(planned.schema):
        name = f"{RENAMED_PREFIX}{extra.name}" if extra.name in columns else extra.name
        columns[name] = rows[extra.name]
    return pa.table(columns).replace_schema_metadata({**(planned.schema.metadata or {}), KNOWN_NAMES_KEY: b"1"})


def _whole(tables: Iterator[pa.Table], folder: RunFolder) -> Iterator[pa.Table]:
    """The tables with whole URIs; the run's manifest is read again if any of them hides something."""
    key = None
    for table in tables:
        if not table.num_rows or not has_sealed(table):
            yield table
            continue
        key = key or key_of_run(folder)
        rows = unsealed(table.rename_columns(["photo_id", *table.column_names[1:]]), key)
        yield rows.rename_columns(table.column_names)
