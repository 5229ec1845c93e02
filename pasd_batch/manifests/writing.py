"""Writing of manifests that the product makes: as one Parquet file of a name that says so, or as CSV."""

import json
import os
import tempfile
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.listing import ending_of
from pasd_batch.records.joining import joined
from pasd_batch.storage.location import redact_uri
from pasd_batch.storage.reading import open_for_reading
from pasd_batch.storage.storage import Storage

_GROUP_ROWS = 50_000


def refuse_other_formats(target: str, *, or_csv: bool = False) -> None:
    """Refuse a name under which a Parquet file would not be found again, or be taken for something else.

    With `or_csv` the name may say that the file is CSV.

    Raises:
        ManifestError: naming the endings that there may be.
    """
    if ending_of(target) in (".parquet", ".pq") or target.endswith("/") or (or_csv and is_csv(target)):
        return
    formats, endings = ("Parquet or CSV", ".parquet or .csv") if or_csv else ("Parquet alone", ".parquet")
    raise ManifestError(f"{redact_uri(target)}: written as {formats}; give the file a name that ends in {endings}")


def write_tables(file: BinaryIO, tables: Iterable[pa.Table]) -> int:
    """Write tables of one schema as Parquet and go back to the file's start; the number of rows."""
    writer: pq.ParquetWriter | None = None
    rows = 0
    for table in joined(tables, _GROUP_ROWS):  # each becomes a row group, and many small ones are slow to read
        writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
        writer.write_table(table)
        rows += table.num_rows
    if writer is not None:
        writer.close()
    file.seek(0)
    return rows


def write_parquet(
    target: str, tables: Iterable[pa.Table], storage_settings: StorageSettings, *, empty: bool = True
) -> int:
    """Write tables of one schema as a Parquet file at a local path or URI, if there are rows or it may be `empty`.

    Raises:
        ManifestError, StorageError: as in `write_file`.
    """
    with tempfile.TemporaryFile() as file:
        rows = write_tables(file, tables)
        if rows or empty:
            write_file(target, file.read(), storage_settings)
    return rows


def is_csv(target: str) -> bool:
    """True if the name says that the file is CSV."""
    return ending_of(target) == ".csv"


def csv_of(file: BinaryIO, tables: Iterable[pa.Table]) -> int:
    """Write tables of one schema as CSV, lists and structs as JSON, and go back to the start; the number of rows."""
    remaining = map(_flat, tables)
    first = next(remaining, None)
    if first is None:
        return 0
    rows = 0
    with csv.CSVWriter(file, first.schema) as writer:
        for table in chain([first], remaining):
            writer.write_table(table)
            rows += table.num_rows
    file.seek(0)
    return rows


def _flat(table: pa.Table) -> pa.Table:
    """A table with JSON in the place of values that CSV cannot hold."""
    columns = {name: table[name] for name in table.column_names}
    for field in table.schema:
        if pa.types.is_nested(field.type) or pa.types.is_binary(field.type):
            values = (
                None if (value := each.as_py()) is None else json.dumps(value, default=str)
                for each in columns[field.name]
            )
            columns[field.name] = pa.chunked_array([pa.array(values, pa.string())])
    return pa.table(columns)


def refuse_folder(target: str, storage_settings: StorageSettings) -> None:
    """Refuse a folder in the place of a file: a name with a slash at its end, or a folder of this machine.

    Raises:
        ManifestError: naming it.
        StorageError: the place is not one to write to.
    """
    _place_of(target, storage_settings)


def is_there(target: str, storage_settings: StorageSettings) -> bool:
    """True if there is a file at a local path or URI.

    Raises:
        ManifestError: a folder is there.
        StorageError: the place cannot be looked at.
    """
    place, name = _place_of(target, storage_settings)
    return place.exists(name)


def refuse_overwriting(target: str, storage_settings: StorageSettings, *, remedy: str) -> None:
    """Refuse a file that is there, with a remedy beside that of another name.

    Raises:
        ManifestError: naming it, or the folder that is there.
        StorageError: the place cannot be looked at.
    """
    if is_there(target, storage_settings):
        raise ManifestError(f"{redact_uri(target)} is there already; give another name, or {remedy}")


def refuse_other_file(target: str, settings: StorageSettings, what: str, is_own: Callable[[BinaryIO], bool]) -> None:
    """Refuse to replace a file that is there and is not what the command writes, such as a photo or a manifest.

    `is_own` looks at the file; `what` is what the command writes.

    Raises:
        ManifestError: naming it, or the folder that is there.
        StorageError: it cannot be looked at.
    """
    if not is_there(target, settings):
        return
    with open_for_reading(target, settings) as file:
        if is_own(file):
            return
    raise ManifestError(f"{redact_uri(target)} is there already, and is not {what}; give another name, or move it away")


def begins_with(start: str) -> Callable[[BinaryIO], bool]:
    """A look at the first bytes of a file, for `refuse_other_file`; an empty file will do."""
    expected = start.encode()

    def look(file: BinaryIO) -> bool:
        return file.read(len(expected)) in (expected, b"")

    return look


def is_parquet_with(test: Callable[[pa.Schema], bool]) -> Callable[[BinaryIO], bool]:
    """A look at the schema of a Parquet file, for `refuse_other_file`."""

    def look(file: BinaryIO) -> bool:
        try:
            return test(pq.read_schema(file))
        except pa.ArrowInvalid:
            return False

    return look


def write_file(target: str, data: bytes, storage_settings: StorageSettings) -> None:
    """Store a file at a local path or URI.

    Raises:
        ManifestError: the target is a folder.
        StorageError: it cannot be written.
    """
    place, name = _place_of(target, storage_settings)
    place.write(name, data)


def upload_file(target: str, source: Path, storage_settings: StorageSettings) -> None:
    """Store a copy of a local file at a local path or URI, a piece at a time.

    Raises:
        ManifestError: the target is a folder.
        StorageError: it cannot be written.
    """
    place, name = _place_of(target, storage_settings)
    place.upload(name, source)


def _place_of(target: str, settings: StorageSettings) -> tuple[Storage, str]:
    """Folder and name of a file; the folder with its slash, as keys of objects may have more of them."""
    before, slash, name = os.path.expanduser(target).rpartition("/")
    place = Storage.open(before + slash or ".", settings)
    if not name or ("://" not in place.uri() and os.path.isdir(os.path.join(place.uri(), name))):
        shown = redact_uri(target)
        raise ManifestError(f"{shown} is a folder; name a file in it, such as {shown.rstrip('/')}/NAME, or beside it")
    return place, name
