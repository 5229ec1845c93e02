"""Rows as one CSV file, put in its place when it is whole."""

import tempfile
from pathlib import Path

from pasd_batch.config.storage import StorageSettings
from pasd_batch.export.run_rows import RunRows
from pasd_batch.manifests.writing import begins_with, csv_of, refuse_other_file, upload_file
from pasd_batch.records import RESULT_SCHEMA


def export_csv(rows: RunRows, target: str, settings: StorageSettings) -> int:
    """Write a CSV file with a header; lists and structs are JSON. The number of rows.

    Raises:
        ManifestError: the target is a folder, or a file of another kind.
        StorageError: rows cannot be read, or the file not be written.
    """
    start = ",".join(f'"{name}"' for name in RESULT_SCHEMA.names[:3])
    refuse_other_file(target, settings, "a table of results", begins_with(start))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "rows.csv")
        with path.open("wb") as file:
            count = csv_of(file, rows.tables())
        upload_file(target, path, settings)
    return count
