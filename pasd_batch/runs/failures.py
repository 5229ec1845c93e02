"""A manifest of the photos that a run failed on."""

import tempfile
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.writing import csv_of, is_csv, refuse_other_formats, write_file, write_tables
from pasd_batch.records import Status
from pasd_batch.runs.damage import damaged
from pasd_batch.runs.layout import plan_path
from pasd_batch.runs.planned_csv import PlannedCsv, manifest_of
from pasd_batch.runs.planned_manifest import as_manifest, with_whole_uris
from pasd_batch.runs.run_folder import RunFolder, open_run
from pasd_batch.storage.threads import in_threads


@dataclass(frozen=True)
class FailedPhotos:
    """Photos that have failed in a run, of which a manifest was written, if there are any."""

    photos: int
    notes: list[str] = field(default_factory=list)
    """Lines for people: what a run over them needs beside the file."""


def failures_of(run: str, target: str, storage_settings: StorageSettings) -> FailedPhotos:
    """Write a manifest of all photos that have failed so far in the run at `run`: Parquet, or CSV by its name.

    Rows are as they were planned. Nothing is written if there is none.

    Raises:
        ManifestError: the target is called like neither of these; or URIs have credentials, and the manifest that the
            run began with is not there any more.
        NotFound: there is no run.
        StorageError: the run cannot be read, or the target not be written.
    """
    refuse_other_formats(target, or_csv=True)
    folder = open_run(run, storage_settings)
    tables = with_whole_uris(in_threads(lambda shard: _failed_rows(shard, folder), folder.committed()), folder)
    with tempfile.TemporaryFile() as file:
        photos = write_tables(file, (table for table in tables if table.num_rows))
        if not photos:
            return FailedPhotos(0)
        if not is_csv(target):
            write_file(target, file.read(), storage_settings)
            return FailedPhotos(photos)
        rows = PlannedCsv(pq.ParquetFile(file), manifest_of(folder))
        with tempfile.TemporaryFile() as text:
            csv_of(text, rows.tables())
            write_file(target, text.read(), storage_settings)
        return FailedPhotos(photos, rows.notes(target))


def _failed_rows(shard: int, folder: RunFolder) -> pa.Table:
    failed = folder.shard_rows(shard, ["photo_id"], pc.field("status") == Status.FAILED)["photo_id"]
    if not len(failed):
        return pa.table({})
    planned = folder.plan(shard)
    rows = planned.filter(pc.field("photo_id").isin(failed))
    if rows.num_rows != len(failed):
        raise damaged(folder.storage, plan_path(shard), "does not plan all photos of which there are rows")
    return as_manifest(rows)
