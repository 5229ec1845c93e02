"""Rows of a manifest that cannot be planned, each with what to do about it."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.allowed_folders import rows_outside, why_outside
from pasd_batch.manifests.rows import SCHEME, is_blank, is_text
from pasd_batch.records import URI_COLUMNS
from pasd_batch.storage.location import redact_uri
from pasd_batch.storage.redaction import CREDENTIALS, lacks_slashes


@dataclass(frozen=True)
class RowProblem:
    """Fault of a row of a piece, counted from 0, and what to do about it."""

    row: int
    message: str


def row_problems(table: pa.Table, storage_settings: StorageSettings) -> Iterator[RowProblem]:
    """Rows of a table in the common form that cannot be planned; the settings have the manifest's own folders too."""
    if "photo_id" in table.column_names:
        for row in _rows_where(is_blank(table["photo_id"])):
            yield RowProblem(row, "has no id; give it one, or leave the id column out of the manifest")
        for row, shown in _with_secrets(table["photo_id"]):
            yield RowProblem(
                row, f"its id is a URI with credentials ({shown}), and ids are shown everywhere; change it"
            )
    for row in _rows_where(is_blank(table["uri"])):
        yield RowProblem(row, "has no URI; give it one, or remove the row")
    for name in URI_COLUMNS:
        if name in table.column_names:
            yield from _uri_problems(name, table[name], storage_settings)
    yield from _shown_credentials(table)


def _uri_problems(name: str, uris: pa.ChunkedArray, storage_settings: StorageSettings) -> Iterator[RowProblem]:
    schemes, allowed = _schemes(uris), sorted(storage_settings.allowed_schemes)
    refused = pc.invert(pc.is_in(schemes, pa.array(allowed, pa.string())))
    for row in _rows_where(pc.and_(refused, pc.invert(is_blank(uris)))):
        yield RowProblem(
            row,
            f"{name} {redact_uri(uris[row].as_py())}: scheme {schemes[row].as_py()!r} is not allowed "
            f"(allowed: {', '.join(allowed) or 'none'}); add it to storage.allowed_schemes",
        )
    late = pc.and_not(pc.match_substring(uris, "://"), pc.match_substring_regex(uris, SCHEME))
    for row in _rows_where(late):
        yield RowProblem(row, f"{name} {redact_uri(uris[row].as_py())!r}: remove what is before the scheme")
    for row in _rows_where(pc.match_substring_regex(uris, r"^\s*\w+:/?[^/]")):
        if lacks_slashes(uris[row].as_py()):
            told = "write two slashes behind the scheme, or ./ before a file's name"
            yield RowProblem(row, f"{name} {redact_uri(uris[row].as_py())}: {told}")
    for row in _rows_where(pc.match_substring(uris, "\0")):
        yield RowProblem(row, f"{name} {redact_uri(uris[row].as_py())!r} holds a NUL, which no name can; write it anew")
    for row in rows_outside(uris, storage_settings.allowed_folders) if "file" in allowed else ():
        uri = uris[row].as_py()
        yield RowProblem(row, f"{name} {redact_uri(uri)} {why_outside(uri, storage_settings.allowed_folders)}")


def _shown_credentials(table: pa.Table) -> Iterator[RowProblem]:
    """Rows whose prompt or other column, which results have as they are, holds a URI with a secret."""
    for column in table.schema:
        if column.name in ("photo_id", *URI_COLUMNS) or not is_text(column.type):
            continue
        text = table[column.name].cast(pa.large_string())  # Arrow has no patterns for views
        for row in _rows_where(pc.match_substring_regex(text, CREDENTIALS)):
            told = f"its column {column.name!r} has a URI with a password, signature or token"
            yield RowProblem(row, f"{told}, and results show all columns to everybody; take it out")


def _with_secrets(column: pa.ChunkedArray) -> Iterator[tuple[int, str]]:
    """Rows whose text is a URI with something to hide, and how it is shown."""
    for row in _rows_where(pc.match_substring(column, "://")):
        text = column[row].as_py()
        if (shown := redact_uri(text)) != text:
            yield row, shown


def _schemes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lower-case schemes; `file` where there is none."""
    found = pc.struct_field(pc.extract_regex(column, SCHEME), "scheme")
    return pc.fill_null(pc.utf8_lower(found), "file")


def _rows_where(mask: pa.ChunkedArray) -> list[int]:
    """Rows for which the mask is true; null is not."""
    return pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist()
