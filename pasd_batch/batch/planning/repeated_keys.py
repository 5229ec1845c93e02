"""Rows of a manifest whose id or plain output path another row has too, found by hashes of both."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from pasd_batch.batch.planning.checked_manifest import CheckedManifest, PathRules
from pasd_batch.cluster.datasets import rows_of_parts, tables_by_key
from pasd_batch.manifests.carried import cast_extra
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.rows import photo_ids
from pasd_batch.manifests.survey import MOST_PROBLEMS_SHOWN, row_name
from pasd_batch.storage.location import redact_uri

ID_KEY, PATH_KEY = 0, 1
"""Kinds of keys: two photos may not share an id, and must not share an output path."""

_ROWS_IN_ONE_BLOCK = 1_000_000  # keys of so many rows stay far below the size at which Ray cuts a block in two
_ROWS_PER_BUCKET = 1_000_000


def find_repeated_keys(checked: CheckedManifest) -> pa.Table:
    """All rows whose id or plain path another row has too, found by a shuffle on the keys' hashes."""
    spans = checked.spans()
    buckets = -(-checked.photos // _ROWS_PER_BUCKET)

    def keys(index: int) -> Iterator[pa.Table]:
        for first, table in checked.tables(spans[index]):
            cast_extra(table, checked.survey.extra)  # what fails here must not fail when shards are written
            rows = key_table(first, table, checked.paths)
            bucket = np.mod(rows["low"].to_numpy(), buckets).astype(np.int32)
            yield rows.append_column("bucket", pa.array(bucket))

    if checked.here:
        return repeated_keys(pa.concat_tables(table for index in range(len(spans)) for table in keys(index)))
    partitions = None if checked.photos <= _ROWS_IN_ONE_BLOCK else buckets
    tables = tables_by_key(len(spans), keys, repeated_keys, column="bucket", partitions=partitions)
    empty = pa.table({"kind": pa.array([], pa.int8()), "row": pa.array([], pa.int64())})
    return pa.concat_tables([empty, *(table.select(empty.column_names) for table in tables)])


def refuse_duplicate_ids(checked: CheckedManifest, repeated: pa.Table) -> None:
    if repeated.num_rows == 0:
        return
    shown = set(repeated["row"].to_pylist()[:MOST_PROBLEMS_SHOWN])
    spans = [span for span in checked.spans() if any(span.first <= row < span.stop for row in shown)]

    def fetch(index: int) -> Iterator[dict[str, Any]]:
        for first, table in checked.tables(spans[index]):
            for row in sorted(shown & set(range(first, first + table.num_rows))):
                one = table.slice(row - first, 1)
                given = "photo_id" in table.column_names
                yield {"row": row, "given": given, "id": photo_ids(one)[0], "uri": one["uri"][0].as_py()}

    lines = [
        f"  {_name_of(checked, row['row'])}: "
        + (f"id {row['id']!r}" if row["given"] else f"URI {redact_uri(row['uri'])!r}")
        for row in sorted(rows_of_parts(len(spans), fetch, here=checked.here), key=lambda row: (row["id"], row["row"]))
    ]
    more = [f"  and {repeated.num_rows - len(lines):,} more"] if repeated.num_rows > len(lines) else []
    raise ManifestError(
        "\n".join(
            [
                f"{repeated.num_rows:,} rows share their photo's id with another row:",
                *lines,
                *more,
                "give every row an id of its own, or remove all but one; without an id column the URI is the id",
            ]
        )
    )


def _name_of(checked: CheckedManifest, row: int) -> str:
    starts = checked.survey.starts
    piece = int(np.searchsorted(starts, row, side="right")) - 1
    return row_name(checked.pieces, starts, piece, row - starts[piece])


def key_table(first_row: int, rows: pa.Table, paths: PathRules) -> pa.Table:
    """Two keys a row, of its id and of its plain output path, as 128-bit hashes in two halves.

    Columns: `kind` (int8), `low` and `high` (int64), `row` (int64, in the whole manifest). Paths that are marked
    whatever happens have no key, as they can collide with none.
    """
    ids = [identity.encode() for identity in photo_ids(rows)]
    plain = paths.plain_paths(rows)
    numbers = np.arange(first_row, first_row + rows.num_rows)
    open_paths = [path.key(paths.suffix).encode("utf-8", "surrogatepass") for path in plain if not path.marked]
    unmarked = np.array([not path.marked for path in plain], dtype=bool)
    tables = [_keys(ID_KEY, ids, numbers), _keys(PATH_KEY, open_paths, numbers[unmarked])]
    return pa.concat_tables(tables)


def repeated_keys(keys: pa.Table) -> pa.Table:
    """Rows of a key table whose kind and key others in it have too, equal ones side by side.

    Columns: `kind` and `row`; few, because of a bad manifest this may be every row.
    """
    kind, low, high = (keys[name].to_numpy() for name in ("kind", "low", "high"))
    order = np.lexsort((high, low, kind))
    same = (
        (kind[order][1:] == kind[order][:-1])
        & (low[order][1:] == low[order][:-1])
        & (high[order][1:] == high[order][:-1])
    )
    repeated = np.zeros(len(order), dtype=bool)
    repeated[1:] |= same
    repeated[:-1] |= same
    return keys.select(["kind", "row"]).take(pa.array(order[repeated]))


def _keys(kind: int, values: list[bytes], rows: np.ndarray) -> pa.Table:
    digests = b"".join(hashlib.blake2b(value, digest_size=16).digest() for value in values)
    halves = np.frombuffer(digests, dtype="<i8").reshape(-1, 2)
    return pa.table(
        {
            "kind": pa.array(np.full(len(rows), kind, dtype=np.int8)),
            "low": pa.array(np.ascontiguousarray(halves[:, 0])),
            "high": pa.array(np.ascontiguousarray(halves[:, 1])),
            "row": pa.array(rows.astype(np.int64)),
        }
    )
