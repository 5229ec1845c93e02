"""A manifest of the photos that a run failed on."""

import itertools
import tempfile

import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.writing import refuse_other_formats, write_file, write_tables
from pasd_batch.records import Status
from pasd_batch.runs.damage import damaged
from pasd_batch.runs.layout import plan_path
from pasd_batch.runs.planned_manifest import as_manifest, with_whole_uris
from pasd_batch.runs.run_folder import RunFolder, open_run
from pasd_batch.storage.threads import in_threads


def failures_of(run: str, target: str, storage_settings: StorageSettings) -> int:
    """Write a Parquet manifest of all photos that have failed so far in the run at `run`; how many there are.

    Rows are as they were planned. Nothing is written if there is none.

    Raises:
        ManifestError: the target is not called like a Parquet file; or URIs have credentials, and the manifest that the
            run began with is not there any more.
        NotFound: there is no run.
        StorageError: the run cannot be read, or the target not be written.
    """
    refuse_other_formats(target)  # a CSV could not say how it is to be read
    folder = open_run(run, storage_settings)
    tables = with_whole_uris(in_threads(lambda shard: _failed_rows(shard, folder), folder.committed()), folder)
    filled = (table for table in tables if table.num_rows)
    first = next(filled, None)
    if first is None:
        return 0
    with tempfile.TemporaryFile() as file:
        photos = write_tables(file, itertools.chain([first], filled))
        write_file(target, file.read(), storage_settings)
    return photos


def _failed_rows(shard: int, folder: RunFolder) -> pa.Table:
    failed = folder.shard_rows(shard, ["photo_id"], pc.field("status") == Status.FAILED)["photo_id"]
    if not len(failed):
        return pa.table({})
    planned = folder.plan(shard)
    rows = planned.filter(pc.field("photo_id").isin(failed))
    if rows.num_rows != len(failed):
        raise damaged(folder.storage, plan_path(shard), "does not plan all photos of which there are rows")
    return as_manifest(rows)
