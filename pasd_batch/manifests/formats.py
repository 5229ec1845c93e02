"""A manifest piece as Arrow tables, a bounded number of rows at a time, with the columns as they are in the file."""

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from pasd_batch.config.manifest import ManifestFormat
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.csv_rows import read_csv
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.header import check_names
from pasd_batch.manifests.jsonl_rows import read_jsonl
from pasd_batch.manifests.pieces import ManifestPiece
from pasd_batch.storage.reading import open_for_reading

_BATCH_ROWS = 20_000


def read_tables(piece: ManifestPiece, storage_settings: StorageSettings) -> Iterator[pa.Table]:
    """The piece's rows in order, at least one table (perhaps without rows) so that the columns are known.

    Raises:
        ManifestError: the file is not what its format says, naming the line where it can.
        StorageError: it cannot be read.
    """
    with open_for_reading(piece.uri, storage_settings) as file:
        try:
            for table in _read(file, piece):
                yield _with_partition(table, piece)
        # Arrow says with an OSError that a compressed file ends too early or cannot be unpacked, and leaves it to
        # Python to find that a name in a Parquet file is not UTF-8.
        except (pa.ArrowException, OSError, UnicodeError) as error:
            told = " ".join(str(error).split())
            raise ManifestError(f"{piece}: not valid {piece.format.value}: {told}; repair the file") from None


def _read(file: BinaryIO, piece: ManifestPiece) -> Iterator[pa.Table]:
    match piece.format:
        case ManifestFormat.PARQUET:
            yield from _read_parquet(file, piece)
        case ManifestFormat.CSV:
            yield from read_csv(file, piece)
        case ManifestFormat.JSONL:
            yield from read_jsonl(file, piece)
        case other:
            raise ValueError(f"a {other} manifest has no rows to read")


def _with_partition(table: pa.Table, piece: ManifestPiece) -> pa.Table:
    """The rows with the columns that their file's folders give, as text; the file's own go before."""
    taken = {name.casefold() for name in table.column_names}
    for name, value in piece.partition:
        if name.casefold() not in taken:
            table = table.append_column(name, pa.repeat(pa.scalar(value, pa.string()), table.num_rows))
    return table


def _read_parquet(file: BinaryIO, piece: ManifestPiece) -> Iterator[pa.Table]:
    """The rows of the piece's row groups, as many as the file's footer says."""
    source = pq.ParquetFile(file, page_checksum_verification=True)
    footer = source.metadata
    groups = list(range(*(piece.row_groups or (0, footer.num_row_groups))))
    check_names(source.schema_arrow.names, piece)
    yield source.schema_arrow.empty_table()
    told, rows = sum(footer.row_group(group).num_rows for group in groups), 0
    for batch in source.iter_batches(_BATCH_ROWS, row_groups=groups):
        batch.validate(full=True)  # text that is not UTF-8 among it, which would fail anywhere later
        rows += batch.num_rows
        yield pa.Table.from_batches([batch])
    if rows != told:
        raise ManifestError(f"{piece}: {rows:,} rows where the file's footer says {told:,}; write the file again")
