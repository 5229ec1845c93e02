"""A run's committed rows: one Parquet object per shard, created whole and only once.

The object's existence is the commit. Nothing here overwrites or deletes one, so that whoever reads the folder,
at any moment and with any Parquet reader, sees every finished shard exactly once and no other.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pasd_batch.data.storage import AlreadyExists, Storage

RESULTS_FOLDER = "results"
ROW_GROUP_BYTES = 64 * 2**20
ROW_GROUP_ROWS = 10_000

_SHARD_FILE = re.compile(rf"^{RESULTS_FOLDER}/shard-(\d{{6,}})\.parquet$")


def shard_file_name(shard: int) -> str:
    """File name of a shard, the same in `plan/` and `results/`."""
    return f"shard-{shard:06d}.parquet"


def result_path(shard: int) -> str:
    """Where a shard's rows are committed, relative to the run's root."""
    return f"{RESULTS_FOLDER}/{shard_file_name(shard)}"


@dataclass(frozen=True)
class ResultStore:
    """The result folder of the run at `storage`. Safe in threads; can be sent to other processes."""

    storage: Storage

    def commit(self, shard: int, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> bool:
        """Publish a shard's rows, in the plan's order; False if somebody else has published the shard before.

        Raises:
            StorageError: nothing was published, as far as can be known; committing again is safe.
            pa.ArrowInvalid: the rows do not fit the schema.
        """
        try:
            self.storage.create(result_path(shard), encode_rows(rows, schema))
        except AlreadyExists:
            return False
        return True

    def is_committed(self, shard: int) -> bool:
        """Whether the shard's rows are published."""
        return self.storage.exists(result_path(shard))

    def committed(self) -> Iterator[int]:
        """Numbers of all committed shards, in no set order."""
        for path in self.storage.list(RESULTS_FOLDER):
            match = _SHARD_FILE.match(path)
            if match:
                yield int(match.group(1))

    def read(self, shard: int, columns: Sequence[str] | None = None) -> pa.Table:
        """A committed shard's rows, all columns or some.

        Raises:
            NotFound: the shard is not committed.
        """
        data = self.storage.read(result_path(shard))
        return pq.read_table(io.BytesIO(data), columns=None if columns is None else list(columns))


def encode_rows(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> bytes:
    """Rows as a Parquet file whose row groups stay far below what readers can hold (2 GiB).

    With images nothing is compressed or put in dictionaries: images are compressed already, and outweigh the rest.
    """
    buffer = io.BytesIO()
    with_images = "image" in schema.names
    writer = pq.ParquetWriter(
        buffer,
        schema,
        compression="none" if with_images else "zstd",
        use_dictionary=not with_images,
        write_page_index=True,
    )
    with writer:
        for group in _row_groups(rows):
            writer.write_table(pa.Table.from_pylist(list(group), schema=schema))
    return buffer.getvalue()


def _row_groups(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    group: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        row_size = len((row.get("image") or {}).get("bytes") or b"")
        if group and (size + row_size > ROW_GROUP_BYTES or len(group) == ROW_GROUP_ROWS):
            yield group
            group, size = [], 0
        group.append(row)
        size += row_size
    yield group
