"""The manifest's other columns: whether a run can carry them from the plan to the results as they are."""

import io
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.row_problems import RowProblem
from pasd_batch.manifests.rows import extra_fields, is_text
from pasd_batch.records import plan_schema


def carrying_problems(table: pa.Table) -> Iterator[RowProblem]:
    """Values of a table in the common form that Python cannot hold, or not exactly: workers carry rows as objects.

    Such are dates after the year 9999, nanoseconds, unknown time zones.
    """
    for field in extra_fields(table.schema):
        if _is_plain(field.type) or _survives(table[field.name]):
            continue
        for row in range(table.num_rows):
            if not _survives(table[field.name].slice(row, 1)):
                yield RowProblem(
                    row, f"column {field.name!r} ({field.type}) holds what cannot be carried exactly; write it as text"
                )


def refuse_unstorable(extra: Sequence[pa.Field], names: Sequence[str], schemas: Sequence[pa.Schema]) -> None:
    """Find now what would otherwise fail when shards are written, which is after the run has begun.

    `names` and `schemas` are those of the manifest's pieces.

    Raises:
        ManifestError: naming the column and the piece.
    """
    try:
        plan_schema(extra)
    except ValueError as error:
        raise ManifestError(f"{names[0]}: {error}") from None
    for column in extra:
        try:
            pq.write_table(pa.schema([column]).empty_table(), io.BytesIO())
        except pa.ArrowException as error:
            where = next(name for name, schema in zip(names, schemas, strict=True) if column.name in schema.names)
            raise ManifestError(
                f"{where}: column {column.name!r} ({column.type}) cannot be stored in Parquet ({error}); "
                "leave it out, or write its values as plain text"
            ) from None


def cast_extra(rows: pa.Table, extra: Sequence[pa.Field]) -> dict[str, pa.ChunkedArray]:
    """The other columns of rows in the common form with the types of the whole manifest; nulls where one is missing.

    Raises:
        ManifestError: a number is not exact in the type that fits all files.
    """
    columns = {}
    for field in extra:
        if field.name not in rows.column_names:
            columns[field.name] = pa.chunked_array([pa.nulls(rows.num_rows, field.type)])
            continue
        try:
            columns[field.name] = rows[field.name].cast(field.type)
        except pa.ArrowException as error:
            raise ManifestError(
                f"column {field.name!r} is {rows[field.name].type} in some rows and {field.type} in others, which "
                f"cannot hold it exactly ({error}); give it one type throughout"
            ) from None
    return columns


def _is_plain(kind: pa.DataType) -> bool:
    """True if Python holds every value of the type exactly."""
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return is_text(kind) or number or pa.types.is_null(kind)


def _survives(column: pa.ChunkedArray) -> bool:
    try:
        again = pa.array(column.to_pylist(), column.type)
    # LookupError: no such time zone
    except (pa.ArrowException, ValueError, OverflowError, LookupError, TypeError):
        return False
    # Within nested values a NaN is not equal to itself.
    return pa.types.is_nested(column.type) or pa.chunked_array([again]).equals(column)
