"""`pasd-batch export`: a complete run in another format."""

import os
from dataclasses import dataclass

from pasd_batch.config.storage import StorageSettings
from pasd_batch.export.csv_file import export_csv
from pasd_batch.export.formats import ExportFailed, ExportFormat, require_package
from pasd_batch.export.parts import (
    encode_huggingface,
    encode_webdataset,
    export_parts,
    huggingface_path,
    webdataset_path,
)
from pasd_batch.export.run_rows import RunRows
from pasd_batch.export.tables import export_delta, export_iceberg, export_lance, told_as_failure
from pasd_batch.runs.layout import WORK_FOLDERS
from pasd_batch.runs.run_folder import open_run
from pasd_batch.storage.location import redact_uri
from pasd_batch.storage.storage import Storage


@dataclass(frozen=True)
class Exported:
    """Rows that were written; `images` says whether restored photos are among their columns."""

    rows: int
    images: bool


def export_run(
    uri: str, to: ExportFormat, target: str, settings: StorageSettings, *, images: bool | None = None
) -> Exported:
    """Export the run at `uri`; what an earlier export of it has written is not written again.

    `images` says whether restored photos go along; None: where the format is meant for them.

    Raises:
        ExportFailed: a package is missing, the run is not complete, or the target is in the run, has something else or
            cannot be written.
        ManifestError: a CSV file would replace a folder, or a file of another kind.
        NotFound: there is no run.
        StorageError: the run cannot be read, or the target not be written.
    """
    require_package(to)
    with_images = to.has_images if images is None else images
    if to.needs_images and not with_images:
        raise ExportFailed(f"--to {to.value} is a format of images; export rows alone as csv, lance, delta or iceberg")
    folder = open_run(uri, settings)
    _refuse_inside(folder.storage.uri(), target)
    rows = RunRows.of(folder, images=with_images, restored_only=to.needs_images)
    with told_as_failure(target):
        return Exported(_export(rows, to, target, settings), with_images)


def _refuse_inside(run: str, target: str) -> None:
    """Refuse a target among a run's own files, where it would be taken for one that belongs to nothing."""
    place = target if "://" in target else os.path.realpath(target)
    root = (run if "://" in run else os.path.realpath(run)).rstrip("/")
    if place.rstrip("/") == root or any(f"{place}/".startswith(f"{root}/{own}/") for own in WORK_FOLDERS):
        raise ExportFailed(f"{redact_uri(target)} is the run's own folder; give the export a target beside the run")


def _export(rows: RunRows, to: ExportFormat, target: str, settings: StorageSettings) -> int:
    match to:
        case ExportFormat.CSV:
            return export_csv(rows, target, settings)
        case ExportFormat.WEBDATASET:
            return export_parts(rows, Storage.open(target, settings), webdataset_path, encode_webdataset)
        case ExportFormat.HUGGINGFACE:
            count = len(rows.shards)
            place = Storage.open(target, settings)
            return export_parts(rows, place, lambda shard: huggingface_path(shard, count), encode_huggingface)
        case ExportFormat.LANCE:
            return export_lance(rows, target)
        case ExportFormat.DELTA:
            return export_delta(rows, target)
        case ExportFormat.ICEBERG:
            return export_iceberg(rows, target)
