"""A hash of a table's values that does not depend on how its rows are batched or stored."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

import hashlib
import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

_NULL = "\0null"


class _ColumnDigest:
    """Hash of one column: the lengths of its values as text, and the values one behind the other."""

    def __init__(self) -> None:
        self._lengths = hashlib.sha256()
        self._values = hashlib.sha256()

    def update(self, column: pa.ChunkedArray) -> None:
        for text in _texts(column):
            self._lengths.update(pc.binary_length(text).to_numpy())
            self._values.update(_bytes_of(text))

    def hexdigests(self) -> tuple[str, str]:
        return self._lengths.hexdigest(), self._values.hexdigest()


class TableDigest:
    """Hash of the names and values of all columns, fed batch by batch, whatever the order of the columns.

    Values count as they read as text. A column that a batch lacks has nulls there.
    """

    def __init__(self) -> None:
        self._columns: dict[str, _ColumnDigest] = {}
        self._rows = 0

    def update(self, table: pa.Table) -> None:
        """Add the rows of a table."""
        for name in table.column_names:
            if name not in self._columns:
                self._columns[name] = _ColumnDigest()
                self._columns[name].update(_nulls(self._rows))
        for name, digest in self._columns.items():
            digest.update(table[name] if name in table.column_names else _nulls(table.num_rows))
        self._rows += table.num_rows

    def hexdigest(self) -> str:
        """The hash of everything so far."""
        columns = [[name, *self._columns[name].hexdigests()] for name in sorted(self._columns)]
        return hashlib.sha256(json.dumps([self._rows, columns]).encode()).hexdigest()


def _nulls(count: int) -> pa.ChunkedArray:
    return pa.chunked_array([pa.nulls(count, pa.large_string())])


def _texts(column: pa.ChunkedArray) -> Iterator[pa.LargeStringArray]:
    """The column's chunks as text, with nulls told apart from everything else."""
    for chunk in column.chunks:
        try:
            text = chunk.cast(pa.large_string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # nested or binary values
            values = [None if value is None else json.dumps(value, default=repr) for value in chunk.to_pylist()]
            text = pa.array(values, pa.large_string())
        yield pc.fill_null(text, _NULL)


def _bytes_of(text: pa.LargeStringArray) -> memoryview:
    offsets, values = text.buffers()[1:]
    if values is None or len(text) == 0:
        return memoryview(b"")
    positions = memoryview(offsets).cast("B").cast("q")
    return memoryview(values)[positions[text.offset] : positions[text.offset + len(text)]]
