"""The table of result columns in docs/results.md, made from their definitions: `make docs` writes it."""

import re
from pathlib import Path

import pyarrow as pa

from pasd_batch.records import ResultRow
from pasd_batch.records.columns import Column, columns_of

PAGE = Path(__file__).parents[2] / "docs" / "results.md"

HEAD = "| column | type | what it is |\n|---|---|---|\n"
OTHERS = (
    "| *(others)* | as in the manifest | The manifest's other columns. One whose name is taken above is named "
    "`manifest_<name>`. |\n"
)


def table(row: type = ResultRow) -> str:
    """The table of the columns of `row`."""
    return HEAD + "".join(map(_line, columns_of(row))) + OTHERS


def with_table(page: str) -> str:
    """A page with its table of columns as it should be."""
    (written,) = re.findall(f"{re.escape(HEAD)}(?:\\|.*\n)*", page)
    return page.replace(written, table())


def _line(column: Column) -> str:
    return f"| `{column.name}` | {type_text(column.type)} | {column.description} |\n"


def type_text(type_: pa.DataType) -> str:
    if pa.types.is_list(type_):
        return f"list of {type_.value_type}"
    if pa.types.is_timestamp(type_):
        return f"timestamp ({type_.tz})"
    if pa.types.is_struct(type_):
        of_numbers = all(field.type == pa.float64() for field in type_)
        return "struct of double" if of_numbers else f"struct<{', '.join(field.name for field in type_)}>"
    return str(type_)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
