"""A Parquet file of result rows: written whole, read row group by row group, and only the columns that are wanted."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pasd_batch.records import RESULT_SCHEMA
from pasd_batch.runs.damage import parsing
from pasd_batch.storage.storage import Storage

ROW_GROUP_BYTES = 64 * 2**20
ROW_GROUP_ROWS = 10_000

IMAGE_COLUMN = "image"
AUDIT_COLUMN = "audit"
_NOT_IN_EVERY_RUN = ("scores", AUDIT_COLUMN, IMAGE_COLUMN)


@dataclass(frozen=True)
class RowFile:
    """The file of rows at `path` of the run at `storage`, opened for reading; `schema` has what a run writes today.

    Reads happen in the calling thread, row group by row group. (Datasets of pyarrow read in threads of their own, which
    may outlive the interpreter, and abort the process if the file is a Python object.)
    """

    file: pq.ParquetFile
    schema: pa.Schema
    storage: Storage
    path: str

    @classmethod
    def open(cls, file: BinaryIO, storage: Storage, path: str) -> "RowFile":
        """The rows of `file`, which stays open as long as they are read.

        Raises:
            RunDamaged: it has no rows of a run.
            StorageError: it cannot be read.
        """
        with parsing(storage, path):
            opened = pq.ParquetFile(file, page_checksum_verification=True)
            found = opened.schema_arrow
            require_columns(found, RESULT_SCHEMA)
        return cls(opened, _with_later_columns(found), storage, path)

    def tables(self, columns: Sequence[str] | None, where: pc.Expression | None) -> Iterator[pa.Table]:
        """The rows, a table for each row group; see `RunFolder.rows`."""
        names = self._names(columns)
        asked = [] if where is None else self._columns_of(where)
        both = list(dict.fromkeys([*names, *asked]))
        none = self.schema.empty_table().select(names)
        for group in range(self.file.num_row_groups):
            if where is None:
                yield self._read(group, names)
            elif self._read(group, asked).filter(where).num_rows:
                yield self._read(group, both).filter(where).select(names)
            else:
                yield none
        if not self.file.num_row_groups:
            yield none

    def _names(self, columns: Sequence[str] | None) -> list[str]:
        if columns is None:
            return self.schema.names
        for name in columns:
            if name not in self.schema.names and name not in _NOT_IN_EVERY_RUN:
                raise ValueError(f"there is no column {name!r} in the rows; there are {', '.join(self.schema.names)}")
        return [name for name in columns if name in self.schema.names]

    def _columns_of(self, where: pc.Expression) -> list[str]:
        """Columns that an expression needs; pyarrow does not tell, but refuses a table that lacks one of them."""
        text, empty = str(where), self.schema.empty_table()
        if "FieldPath(" in text:
            raise ValueError(f"the filter {where} has columns by number; give their names")
        try:
            empty.filter(where)
        except pa.ArrowException as error:
            problem = str(error).partition(" in photo_id")[0].splitlines()[0]  # Arrow goes on with the whole schema
            names = ", ".join(self.schema.names)
            raise ValueError(f"the filter {where} does not fit the rows: {problem}; columns are {names}") from None
        return [name for name in self.schema.names if name in text and _refuses(empty.drop_columns([name]), where)]

    def _read(self, group: int, names: Sequence[str]) -> pa.Table:
        there = self.file.schema_arrow.names
        with parsing(self.storage, self.path):
            table = self.file.read_row_group(group, [name for name in names if name in there], use_threads=False)
            table.validate(full=True)  # text that is not UTF-8 would fail later, where nobody expects it
        for name in names:
            if name not in there:
                column = self.schema.field(name)
                table = table.append_column(column, pa.nulls(table.num_rows, column.type))
        return table.select(names)


def read_rows(storage: Storage, path: str) -> list[dict[str, Any]]:
    """The rows of a small file of the run at `storage`.

    Raises:
        NotFound: it is not there.
        RunDamaged: it is no file of rows.
        StorageError: it cannot be read.
    """
    file = RowFile.open(io.BytesIO(storage.read(path)), storage, path)
    return [row for table in file.tables(None, None) for row in table.to_pylist()]


def encode_rows(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> bytes:
    """Rows as a Parquet file whose row groups stay far below what readers can hold (2 GiB).

    With images nothing is compressed or put in dictionaries: images are compressed already, and outweigh the rest.
    """
    buffer = io.BytesIO()
    with_images = IMAGE_COLUMN in schema.names
    writer = pq.ParquetWriter(
        buffer,
        schema,
        compression="none" if with_images else "zstd",
        use_dictionary=not with_images,
        write_page_index=True,
        write_page_checksum=True,
    )
    with writer:
        for group in _row_groups(rows):
            writer.write_table(pa.Table.from_pylist(list(group), schema=schema))
    return buffer.getvalue()


def require_columns(found: pa.Schema, needed: pa.Schema) -> None:
    """Refuse a file that lacks what every run of every version has, or has it in another type.

    Raises:
        TypeError: naming the column.
    """
    for column in needed:
        if column.nullable:
            continue
        index = found.get_field_index(column.name)
        if index < 0:
            raise TypeError(f"there is no column {column.name}")
        if found.field(index).type != column.type:
            raise TypeError(f"column {column.name} is {found.field(index).type}, not {column.type}")


def _with_later_columns(found: pa.Schema) -> pa.Schema:
    """Schema of the rows as this version writes them: what the file lacks is read as null."""
    own = [found.field(column.name) if column.name in found.names else column for column in RESULT_SCHEMA]
    others = [column for column in found if column.name not in RESULT_SCHEMA.names]
    return pa.schema([*own, *others], metadata=found.metadata)


def _refuses(table: pa.Table, where: pc.Expression) -> bool:
    try:
        table.filter(where)
    except pa.ArrowException:
        return True
    return False


def _row_groups(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    group: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        row_size = len((row.get(IMAGE_COLUMN) or {}).get("bytes") or b"")
        if group and (size + row_size > ROW_GROUP_BYTES or len(group) == ROW_GROUP_ROWS):
            yield group
            group, size = [], 0
        group.append(row)
        size += row_size
    yield group
