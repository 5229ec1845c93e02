"""Definition of result columns: fields of dataclasses that say type, meaning and, when they are read, the value."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from enum import Enum
from typing import Any

import pyarrow as pa

_DEFINITION = "result column"


@dataclass(frozen=True, kw_only=True)
class Column:
    """Definition of a result column."""

    name: str
    type: pa.DataType
    description: str
    """Its meaning, as docs/results.md has it."""

    nullable: bool = True
    optional: bool = False
    """True for a column that only some runs have."""

    of_result: bool = False
    """True if it describes the photo's result: null in a failed photo's row, however far the photo had come."""


@dataclass(frozen=True)
class _Columns:
    """Definition of the columns that another dataclass has."""

    kind: type
    prefix: str
    subject: str
    of_result: bool


def result_column(type_: pa.DataType, description: str, *, name: str = "", **options: Any) -> Any:
    """A dataclass field that is a result column, named as itself or `name`; `options` are of `Column` or `field`.

    In the description, `{subject}` is that of `result_columns`, where the dataclass is used for several things.
    """
    of_column = {key: options.pop(key) for key in ("nullable", "optional", "of_result") if key in options}
    definition = Column(name=name, type=type_, description=description, **of_column)
    return field(metadata={_DEFINITION: definition}, **options)


def result_columns(kind: type, *, prefix: str = "", subject: str = "", of_result: bool = False, **options: Any) -> Any:
    """A dataclass field that holds a `kind`, or None: its columns are those of `kind`, their names with `prefix`."""
    return field(metadata={_DEFINITION: _Columns(kind, prefix, subject, of_result)}, **options)


def columns_of(kind: type) -> Iterator[Column]:
    """The columns of a dataclass, in the order of its fields."""
    for each in fields(kind):
        match each.metadata.get(_DEFINITION):
            case Column() as column:
                yield replace(column, name=column.name or each.name)
            case _Columns(inner, prefix, subject, of_result):
                for column in columns_of(inner):
                    yield replace(
                        column,
                        name=prefix + column.name,
                        description=column.description.replace("{subject}", subject),
                        of_result=of_result,
                    )


def values_of(row: Any) -> dict[str, Any]:
    """A value for every column of a dataclass instance, as Arrow takes it; later changes do not touch these copies."""
    values: dict[str, Any] = {}
    for each in fields(row):
        value = getattr(row, each.name)
        match each.metadata.get(_DEFINITION):
            case Column(name=name):
                values[name or each.name] = _plain(value)
            case _Columns(kind, prefix):
                inner = dict.fromkeys(column.name for column in columns_of(kind)) if value is None else values_of(value)
                values |= {prefix + name: content for name, content in inner.items()}
    return values


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case Mapping():
            return {_plain(key): inner for key, inner in dict(value).items()}
        case list():
            return [_plain(each) for each in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
        case _:
            return value
