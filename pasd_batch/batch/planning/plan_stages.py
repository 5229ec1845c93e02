"""The steps of planning as plain functions over a span of manifest rows; `plan.py` hands them to Ray Data."""

import hashlib
import io
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pasd_batch.config.manifest import ManifestColumns
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.carried import cast_extra
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.file_pages import pages_of_rows
from pasd_batch.manifests.output_paths import PlainPath, plain_path
from pasd_batch.manifests.pieces import ManifestPiece
from pasd_batch.manifests.rows import KNOWN_COLUMNS, photo_ids, read_rows
from pasd_batch.manifests.survey import SOURCE_ROOT_KEY
from pasd_batch.records import plan_schema
from pasd_batch.runs.layout import plan_path
from pasd_batch.storage.sealing import sealed
from pasd_batch.storage.storage import Storage
from pasd_batch.storage.threads import in_threads

ID_KEY, PATH_KEY = 0, 1
"""Kinds of keys: two photos may not share an id, and must not share an output path."""


@dataclass(frozen=True)
class Span:
    """Rows `first` to `stop` (excluded) of the whole manifest, and where they are found."""

    first: int
    stop: int
    pieces: tuple[ManifestPiece, ...]
    skip: int
    """Rows of the first piece that come before `first`."""


@dataclass(frozen=True)
class PathRules:
    """Rule by which a photo's output path is derived from its URI."""

    source_root: str
    suffix: str


@dataclass(frozen=True)
class ShardLayout:
    """Layout of the plan: how rows are cut up and stored."""

    shard_size: int
    extra: tuple[pa.Field, ...]
    paths: PathRules
    plan_key: bytes = field(default=b"", repr=False)
    """Seals what URIs hide."""


def cut_spans(
    pieces: Sequence[ManifestPiece], starts: Sequence[int], rows: int, *, shard_size: int, target_rows: int
) -> list[Span]:
    """Spans of about `target_rows` rows that together cover the manifest, each beginning where a shard begins.

    A span begins in the first shard that begins in its first piece, and ends with its last shard, for which it may
    read the beginning of the pieces behind its own: so no piece is read from its middle by anyone.
    """
    firsts = [0]
    for start in starts:
        first = min(rows, -(-start // shard_size) * shard_size)
        if first - firsts[-1] >= target_rows:
            firsts.append(first)
    spans = []
    for first, stop in zip(firsts, [*firsts[1:], rows], strict=True):
        if first == stop:
            continue
        begin = bisect_right(starts, first) - 1
        own = pieces[begin : bisect_left(starts, stop)]
        spans.append(Span(first, stop, tuple(own), first - starts[begin]))
    return spans


def read_span(span: Span, columns: ManifestColumns, storage_settings: StorageSettings) -> Iterator[pa.Table]:
    """The span's rows in order, in the manifest's common form.

    Raises:
        ManifestError: there are fewer rows than the survey counted.
    """
    skip, left = span.skip, span.stop - span.first
    for piece in span.pieces:
        for table in read_rows(piece, columns, storage_settings):
            part = table.slice(skip, left)
            skip -= min(skip, table.num_rows)
            left -= part.num_rows
            if part.num_rows:
                yield part
            if left == 0:
                return
    raise ManifestError(
        f"{span.pieces[-1]}: the manifest changed while it was planned ({left:,} rows fewer); plan again"
    )


def key_table(first_row: int, rows: pa.Table, paths: PathRules) -> pa.Table:
    """Two keys a row, of its id and of its plain output path, as 128-bit hashes in two halves.

    Columns: `kind` (int8), `low` and `high` (int64), `row` (int64, in the whole manifest). Paths that are marked
    whatever happens have no key, as they can collide with none.
    """
    ids = [identity.encode() for identity in photo_ids(rows)]
    plain = _plain_paths(rows, paths)
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


def planned_rows(first_row: int, rows: pa.Table, colliding: np.ndarray, layout: ShardLayout) -> pa.Table:
    """Rows as they stand in the plan; `colliding` are the sorted numbers of rows whose plain paths collide."""
    rules = layout.paths
    ids = photo_ids(rows)
    collides = np.isin(np.arange(first_row, first_row + rows.num_rows), colliding).tolist()
    outputs = [
        path.output_path(photo_id, rules.suffix, collides=collision)
        for path, photo_id, collision in zip(_plain_paths(rows, rules), ids, collides, strict=True)
    ]
    columns = {name: rows[name] for name in KNOWN_COLUMNS if name in rows.column_names}
    columns |= {"photo_id": pa.array(ids, pa.string()), "output_path": pa.array(outputs, pa.string())}
    columns = {name: pa.nulls(rows.num_rows, pa.string()) for name in KNOWN_COLUMNS} | columns
    columns |= cast_extra(rows, layout.extra)
    schema = plan_schema(layout.extra)
    return sealed(pa.table([columns[name] for name in schema.names], schema=schema), layout.plan_key)


def cut_shards(tables: Iterable[pa.Table], shard_size: int) -> Iterator[pa.Table]:
    """Tables of exactly `shard_size` rows, the last one perhaps of fewer."""
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += table.num_rows
        if count < shard_size:
            continue
        whole = pa.concat_tables(waiting)
        for start in range(0, count - shard_size + 1, shard_size):
            yield whole.slice(start, shard_size)
        count %= shard_size
        waiting = [whole.slice(whole.num_rows - count)]
    if count:
        yield pa.concat_tables(waiting)


def write_shards(first_shard: int, shards: Iterable[pa.Table], storage: Storage, source_root: str) -> int:
    """Store shards under consecutive numbers, several at a time; how many they were.

    Writing a shard again writes the same bytes: planning can be repeated after a crash.

    Raises:
        StorageError: a shard could not be stored.
    """

    def write(numbered: tuple[int, pa.Table]) -> None:
        number, shard = numbered
        storage.write(plan_path(number), encode_plan(shard.replace_schema_metadata({SOURCE_ROOT_KEY: source_root})))

    return sum(1 for _ in in_threads(write, enumerate(shards, start=first_shard)))


def _plain_paths(rows: pa.Table, rules: PathRules) -> list[PlainPath]:
    return [
        plain_path(uri, source_root=rules.source_root, suffix=rules.suffix, page=page)
        for uri, page in zip(rows["uri"].to_pylist(), pages_of_rows(rows), strict=True)
    ]


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


def encode_plan(shard: pa.Table) -> bytes:
    """A shard's plan as a Parquet file with a checksum for each page."""
    # Four times as fast as with dictionaries and zstd, and no larger: there are few rows, and all of them differ.
    buffer = io.BytesIO()
    pq.write_table(
        shard, buffer, compression="snappy", use_dictionary=False, write_statistics=False, write_page_checksum=True
    )
    return buffer.getvalue()
