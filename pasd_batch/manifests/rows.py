"""A manifest's rows in one form: absolute URIs, known columns under their own names.

In this form a table has `uri`, `prompt` and `reference_uri`, `photo_id` where the manifest gives ids, also
`color_reference_uri`, `mask_uri` and `settings` where it gives some, and then the manifest's other columns under the
names that a run carries them by.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

import hashlib
import os.path
import re
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.config.manifest import ManifestColumns
from pasd_batch.config.photo_settings import PAGE
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.file_pages import PAGE_COLUMN, page_id, pages_of_rows
from pasd_batch.manifests.formats import read_tables
from pasd_batch.manifests.own_settings import own_settings, plain_column
from pasd_batch.manifests.pieces import KNOWN_NAMES_KEY, ManifestPiece
from pasd_batch.records import PLAN_SCHEMA, URI_COLUMNS, extra_column_name
from pasd_batch.storage.redaction import lacks_slashes

KNOWN_COLUMNS = ("photo_id", "uri", "prompt", "reference_uri", "color_reference_uri", "mask_uri", "settings")
"""Columns of the common form."""

_WHERE_GIVEN = ("photo_id", "color_reference_uri", "mask_uri", "settings")
"""Those that are only there where the manifest gives some."""

SCHEME = r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
"""Regular expression for the beginning of a URI."""


def read_rows(piece: ManifestPiece, columns: ManifestColumns, storage_settings: StorageSettings) -> Iterator[pa.Table]:
    """The piece's rows in the common form; rows may still have the problems that `row_problems` names.

    A file that a run wrote of its photos has the default names; of `columns` those of photos' own settings count there.

    Raises:
        ManifestError: the file or its columns cannot be used.
        StorageError: the file cannot be read.
    """
    base = _folder_of(piece.uri)
    for table in read_tables(piece, storage_settings):
        if KNOWN_NAMES_KEY in (table.schema.metadata or {}):
            columns = _columns_of_run(columns, table.column_names)
        elif "settings" in table.column_names:  # a name of the common form, which the run's own file has alone
            table = table.rename_columns([extra_column_name(n) if n == "settings" else n for n in table.column_names])
        yield _in_common_form(table, columns, base, piece)


def _columns_of_run(columns: ManifestColumns, names: list[str]) -> ManifestColumns:
    """Columns of a file that a run wrote, which may have renamed those of photos' own settings."""
    named = {}
    for setting, name in columns.of_settings().items():
        carried = extra_column_name(name)
        named[setting] = carried if name not in names and carried in names else name
    return ManifestColumns(**named)


def photo_ids(table: pa.Table) -> list[str]:
    """Ids of a table's photos in the common form: the manifest's own, else a hash of the absolute URI and the page."""
    if "photo_id" in table.column_names:
        return table["photo_id"].to_pylist()
    names = map(page_id, table["uri"].to_pylist(), pages_of_rows(table))
    return [hashlib.sha256(name.encode()).hexdigest()[:32] for name in names]


def extra_fields(schema: pa.Schema) -> list[pa.Field]:
    """The manifest's other columns in the common form."""
    return [column.remove_metadata() for column in schema if column.name not in KNOWN_COLUMNS]


def resolve_uri(uri: str, base: str) -> str:
    """`uri` made absolute: relative ones are relative to `base`, the manifest's folder (absolute, no end slash)."""
    if "://" in uri or os.path.isabs(uri) or lacks_slashes(uri):
        return uri  # what is wrong with the scheme is a problem of the row, not a folder's name
    scheme = re.match(SCHEME, base)
    if scheme is None:
        return os.path.normpath(f"{base}/{uri}")
    bucket, *folder = base[scheme.end() :].split("/")
    for part in uri.split("/"):
        if part == "..":
            folder = folder[:-1]
        elif part != ".":  # an empty part is one of the key
            folder.append(part)
    return f"{base[: scheme.end()]}{'/'.join([bucket, *folder])}"


def _in_common_form(table: pa.Table, columns: ManifestColumns, base: str, piece: ManifestPiece) -> pa.Table:
    chosen = _chosen_columns(table.column_names, columns, piece)
    result: dict[str, pa.ChunkedArray] = {}
    for known in KNOWN_COLUMNS:
        source = chosen.get(known)
        if source is not None:
            result[known] = _as_text(table[source], source, piece)
        elif known not in _WHERE_GIVEN:
            result[known] = pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
    for name in (name for name in URI_COLUMNS if name in result):
        result[name] = _absolute(result[name], base)
    for name in (name for name in ("prompt", *URI_COLUMNS[1:]) if name in result):
        result[name] = pc.if_else(is_blank(result[name]), pa.scalar(None, pa.string()), result[name])
    named = columns.of_settings()
    if PAGE_COLUMN in table.column_names and (named or "settings" not in chosen):
        named = {PAGE: PAGE_COLUMN} | named
    own = own_settings(table, named, piece)
    if own is not None:
        result["settings"] = own
    for name in table.column_names:
        if name not in chosen.values():
            result[_carried_name(name, result, piece)] = plain_column(table[name])
    return pa.table(result, metadata=table.schema.metadata)


def _chosen_columns(names: list[str], columns: ManifestColumns, piece: ManifestPiece) -> dict[str, str]:
    """Known columns by the file's own names."""
    settings = {
        "photo_id": ("id", columns.id),
        "uri": ("uri", columns.uri),
        "prompt": ("prompt", columns.prompt),
        "reference_uri": ("reference_uri", columns.reference_uri),
        "color_reference_uri": ("color_reference_uri", columns.color_reference_uri),
        "mask_uri": ("mask_uri", columns.mask_uri),
    }
    chosen: dict[str, str] = {}
    named = {setting: configured for setting, configured in settings.values() if configured is not None}
    _refuse_missing(named | columns.of_settings(), names, piece)
    for known, (setting, configured) in settings.items():
        column = configured or setting
        if column in names:
            chosen[known] = column
    if "settings" in names:
        chosen["settings"] = "settings"
    return chosen


def _refuse_missing(named: Mapping[str, str], names: Sequence[str], piece: ManifestPiece) -> None:
    missing = {setting: name for setting, name in named.items() if name not in names}
    if missing:
        told = " and ".join(f"no column {name!r}" for name in missing.values())
        where = ", ".join(f"manifest.columns.{setting}" for setting in missing)
        raise ManifestError(
            f"{piece}: {told} (it has: {', '.join(map(repr, names))}); add it, or name the right one with {where}"
        )


def _carried_name(name: str, taken: dict[str, pa.ChunkedArray], piece: ManifestPiece) -> str:
    carried = extra_column_name(name)
    if carried in taken or carried in PLAN_SCHEMA.names:
        raise ManifestError(f"{piece}: column {name!r} would be carried as {carried!r}, which is taken; rename it")
    return carried


def _as_text(column: pa.ChunkedArray, name: str, piece: ManifestPiece) -> pa.ChunkedArray:
    column = plain_column(column)
    kind = column.type
    if is_text(kind):
        return column.cast(pa.string())
    if pa.types.is_integer(kind) or pa.types.is_null(kind):
        return column.cast(pa.string())
    raise ManifestError(f"{piece}: column {name!r} holds {kind}, not text; write it as text")


def is_text(kind: pa.DataType) -> bool:
    """True for Arrow's types of text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _absolute(column: pa.ChunkedArray, base: str) -> pa.ChunkedArray:
    has_scheme = pc.fill_null(pc.match_substring_regex(column, f"{SCHEME}|^/"), True)
    if pc.all(has_scheme).as_py() is not False:
        return column
    texts = [resolve_uri(text, base) if text else None for text in column.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])


def is_blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """True where a text is null or has nothing but spaces."""
    return pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column), ""), True)


def _folder_of(uri: str) -> str:
    path = re.split(r"[?#]", uri, maxsplit=1)[0] if uri.lower().startswith(("http://", "https://")) else uri
    return path.rpartition("/")[0]
