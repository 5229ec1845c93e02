"""Types of columns that every format of tables can hold; a manifest's own columns may have others."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from pasd_batch.export.formats import ExportFailed

_WIDER: dict[pa.DataType, pa.DataType] = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20),
    pa.float16(): pa.float32(),
}
_HELD = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal128,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
)


def held_type(kind: pa.DataType) -> pa.DataType | None:
    """The type that holds all values of a type in every format; None if nothing but text does.

    Delta Lake has no unsigned numbers, halves and times; Iceberg no nanoseconds and no time zone but UTC; Hugging Face
    no maps.
    """
    if kind in _WIDER:
        return _WIDER[kind]
    if pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", None if kind.tz is None else "UTC")
    if pa.types.is_date(kind):
        return pa.date32()
    if pa.types.is_dictionary(kind):
        return held_type(kind.value_type)
    if pa.types.is_struct(kind):
        fields = [(field.name, inner) for field in kind if (inner := held_type(field.type)) is not None]
        return pa.struct(fields) if len(fields) == kind.num_fields else None
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = held_type(kind.value_type)
        return None if inner is None else pa.list_(inner)
    return kind if any(holds(kind) for holds in _HELD) else None


def held_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of `held` tables."""
    return pa.schema([field.with_type(held_type(field.type) or pa.string()) for field in schema])


def held(table: pa.Table) -> pa.Table:
    """A table whose columns have types that every format holds; what none holds is text, JSON where it is nested.

    Raises:
        ExportFailed: a time has nanoseconds.
    """
    columns = [_held_column(name, table[name]) for name in table.column_names]
    return pa.table(columns, schema=held_schema(table.schema))


def _held_column(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = held_type(column.type)
    if kind is None:
        return pa.chunked_array([pa.array(_texts(column), pa.string())])
    try:
        return column if kind == column.type else column.cast(kind)
    except pa.ArrowInvalid as error:
        raise ExportFailed(
            f"column {name!r} ({column.type}) is no {kind} exactly ({error}); export the run as csv or webdataset"
        ) from None


def _texts(column: pa.ChunkedArray) -> Iterator[str | None]:
    nested = pa.types.is_nested(column.type)
    for value in column.to_pylist():
        yield None if value is None else _text(value, nested=nested)


def _text(value: Any, *, nested: bool) -> str:
    return json.dumps(value, default=str) if nested else str(value)
