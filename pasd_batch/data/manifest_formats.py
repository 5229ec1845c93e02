"""A manifest piece as Arrow tables, a bounded number of rows at a time, with the columns as they are in the file."""

import csv
import io
import json
import os
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from pasd_batch.config.run import ManifestFormat
from pasd_batch.config.storage import StorageSettings
from pasd_batch.data.manifest import COMPRESSIONS, ManifestPiece
from pasd_batch.data.manifest_errors import ManifestError
from pasd_batch.data.ranged_file import open_for_reading

_BATCH_ROWS = 20_000
_CSV_BLOCK_BYTES = 4 << 20
_LONGEST_HEADER = 1 << 20


def read_tables(piece: ManifestPiece, access: StorageSettings) -> Iterator[pa.Table]:
    """The piece's rows in order, at least one table (perhaps without rows) so that the columns are known.

    CSV columns are all strings, as CSV has no types, and an empty field is null.

    Raises:
        ManifestError: the file is not what its format says, naming the line where it can.
        StorageError: it cannot be read.
    """
    with open_for_reading(piece.uri, access) as file:
        try:
            match piece.format:
                case ManifestFormat.PARQUET:
                    yield from _read_parquet(file, piece.row_groups)
                case ManifestFormat.CSV:
                    yield from _read_csv(_unpacked(file, piece.uri), piece)
                case ManifestFormat.JSONL:
                    yield from _read_jsonl(_unpacked(file, piece.uri), piece)
                case other:
                    raise ValueError(f"a {other} manifest has no rows to read")
        # Arrow says with an OSError that a compressed file ends too early or cannot be unpacked.
        except (pa.ArrowException, OSError) as error:
            raise ManifestError(f"{piece}: not valid {piece.format.value}: {error}; repair the file") from None


def _read_parquet(file: BinaryIO, row_groups: tuple[int, int] | None) -> Iterator[pa.Table]:
    source = pq.ParquetFile(file)
    groups = range(*row_groups) if row_groups else range(source.metadata.num_row_groups)
    yield source.schema_arrow.empty_table()
    for batch in source.iter_batches(_BATCH_ROWS, row_groups=list(groups)):
        yield pa.Table.from_batches([batch])


def _read_csv(file: io.BufferedReader, piece: ManifestPiece) -> Iterator[pa.Table]:
    delimiter = "\t" if ".tsv" in os.path.basename(piece.uri).lower() else ","
    names = _csv_header(file, delimiter, piece)
    yield pa.table({name: pa.array([], pa.string()) for name in names})
    if not file.peek(1):
        return
    reader = arrow_csv.open_csv(
        file,
        read_options=arrow_csv.ReadOptions(block_size=_CSV_BLOCK_BYTES, column_names=names, use_threads=False),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    )
    for batch in reader:
        yield pa.Table.from_batches([batch])


def _csv_header(file: io.BufferedReader, delimiter: str, piece: ManifestPiece) -> list[str]:
    """Column names from the first line, which is consumed."""
    line = file.readline(_LONGEST_HEADER)
    try:
        names = next(csv.reader([line.decode("utf-8-sig")], delimiter=delimiter), [])
    except UnicodeDecodeError:
        raise ManifestError(f"{piece}: not UTF-8; save it as UTF-8") from None
    _check_names(names, piece)
    return names


def _read_jsonl(file: io.BufferedReader, piece: ManifestPiece) -> Iterator[pa.Table]:
    rows = _json_rows(file, piece)
    first = True
    while batch := list(islice(rows, _BATCH_ROWS)):
        names = list(dict.fromkeys(name for row in batch for name in row))
        _check_names(names, piece)
        yield pa.table({name: _json_column(name, batch, piece) for name in names})
        first = False
    if first:
        raise ManifestError(f"{piece}: the file is empty; write one JSON object per photo and line")


def _json_rows(file: io.BufferedReader, piece: ManifestPiece) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ManifestError(f"{piece}, line {number}: not JSON ({error}); repair or remove the line") from None
        if not isinstance(row, dict):
            raise ManifestError(f"{piece}, line {number}: {type(row).__name__} where a JSON object is needed")
        yield row


def _json_column(name: str, rows: list[dict[str, Any]], piece: ManifestPiece) -> pa.Array:
    try:
        return pa.array([row.get(name) for row in rows])
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ManifestError(f"{piece}: column {name!r} mixes types ({error}); give it one type throughout") from None
    except (OverflowError, UnicodeError) as error:
        raise ManifestError(
            f"{piece}: column {name!r} holds what Arrow cannot ({error}); write such values as plain text"
        ) from None


def _check_names(names: list[str], piece: ManifestPiece) -> None:
    if not names or names == [""]:
        raise ManifestError(f"{piece}: no column names in the first line; begin with a line such as uri,prompt")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or "" in names:
        what = f"columns {twice} are there twice" if twice else "a column has no name"
        raise ManifestError(f"{piece}: {what}; give every column a name of its own")


def _unpacked(file: BinaryIO, uri: str) -> io.BufferedReader:
    codec = COMPRESSIONS.get(os.path.splitext(uri)[1].lower())
    source = pa.CompressedInputStream(pa.PythonFile(file, "r"), codec) if codec else file
    return io.BufferedReader(source, 1 << 20)  # type: ignore[arg-type]
