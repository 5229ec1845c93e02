"""Rows as one CSV file, put in its place when it is whole."""

import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from pasd_batch.config.storage import StorageSettings
from pasd_batch.export.run_rows import RunRows
from pasd_batch.storage.storage import Storage


def export_csv(rows: RunRows, target: str, settings: StorageSettings) -> int:
    """Write a CSV file with a header; lists and structs are JSON. The number of rows.

    Raises:
        StorageError: rows cannot be read, or the file not be written.
    """
    folder, _, name = target.rpartition("/")
    place = Storage.open(folder or ".", retry=settings.retry, allowed_schemes=settings.allowed_schemes)
    count, writer = 0, None
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "rows.csv")
        with path.open("wb") as file:
            for table in rows.tables():
                flat = _flat(table)
                writer = writer or pa_csv.CSVWriter(file, flat.schema)
                writer.write_table(flat)
                count += table.num_rows
            if writer is not None:
                writer.close()
        place.upload(name, path)
    return count


def _flat(table: pa.Table) -> pa.Table:
    columns = {name: table[name] for name in table.column_names}
    for field in table.schema:
        if pa.types.is_nested(field.type) or pa.types.is_binary(field.type):
            values = [
                None if value is None else json.dumps(value, default=str) for value in table[field.name].to_pylist()
            ]
            columns[field.name] = pa.chunked_array([pa.array(values, pa.string())])
    return pa.table(columns)
