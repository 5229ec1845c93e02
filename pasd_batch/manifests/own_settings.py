"""Settings that a manifest has for single photos, in columns of its own."""

import json

import pyarrow as pa

from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.pieces import ManifestPiece


def own_settings(table: pa.Table, named: dict[str, str], piece: ManifestPiece) -> pa.ChunkedArray | None:
    """Photos' own settings as JSON, null for those that have none; values are looked at when a photo's turn comes."""
    if not named:
        return None
    columns = {}
    for setting, name in named.items():
        column = plain_column(table[name])
        if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
            raise ManifestError(f"{piece}: column {name!r} holds {column.type}, no number or text; write it as one")
        columns[setting] = column.to_pylist()
    rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    given = [{name: value for name, value in row.items() if not _is_missing(value)} for row in rows]
    texts = [json.dumps(row, default=str, sort_keys=True) if row else None for row in given]
    return pa.chunked_array([pa.array(texts, pa.string())])


def _is_missing(value: object) -> bool:
    """True for null, a blank text, and the NaN that pandas writes for null."""
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without a dictionary, which would be in the way of casts."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
