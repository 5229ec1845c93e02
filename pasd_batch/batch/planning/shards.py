"""Shards of a plan, made of manifest rows and stored."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pasd_batch.batch.planning.checked_manifest import PathRules
from pasd_batch.manifests.carried import cast_extra
from pasd_batch.manifests.rows import KNOWN_COLUMNS, photo_ids
from pasd_batch.manifests.survey import SOURCE_ROOT_KEY
from pasd_batch.records import plan_schema
from pasd_batch.runs.layout import plan_path
from pasd_batch.storage.sealing import sealed
from pasd_batch.storage.storage import Storage
from pasd_batch.storage.threads import in_threads


@dataclass(frozen=True)
class ShardLayout:
    """Layout of the plan: how rows are cut up and stored."""

    shard_size: int
    extra: tuple[pa.Field, ...]
    paths: PathRules
    plan_key: bytes = field(default=b"", repr=False)
    """Seals what URIs hide."""


def planned_rows(first_row: int, rows: pa.Table, colliding: np.ndarray, layout: ShardLayout) -> pa.Table:
    """Rows as they stand in the plan; `colliding` are the sorted numbers of rows whose plain paths collide."""
    rules = layout.paths
    ids = photo_ids(rows)
    collides = np.isin(np.arange(first_row, first_row + rows.num_rows), colliding).tolist()
    outputs = [
        path.output_path(photo_id, rules.suffix, collides=collision)
        for path, photo_id, collision in zip(rules.plain_paths(rows), ids, collides, strict=True)
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


def encode_plan(shard: pa.Table) -> bytes:
    """A shard's plan as a Parquet file with a checksum for each page."""
    # Four times as fast as with dictionaries and zstd, and no larger: there are few rows, and all of them differ.
    buffer = io.BytesIO()
    pq.write_table(
        shard, buffer, compression="snappy", use_dictionary=False, write_statistics=False, write_page_checksum=True
    )
    return buffer.getvalue()
