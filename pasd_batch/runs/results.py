"""A run's committed rows: one Parquet object per shard, created whole and only once.

The object's existence is the commit. Nothing here overwrites or deletes one, so that whoever reads the folder,
at any moment and with any Parquet reader, sees every finished shard exactly once and no other.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pasd_batch.runs.run_folder import RESULTS_FOLDER, numbered_shards, result_path
from pasd_batch.storage.storage import AlreadyExists, Storage

ROW_GROUP_BYTES = 64 * 2**20
ROW_GROUP_ROWS = 10_000


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
        """True if the shard's rows are published."""
        return self.storage.exists(result_path(shard))

    def committed(self) -> Iterator[int]:
        """Numbers of all committed shards, in no set order."""
        return numbered_shards(self.storage, RESULTS_FOLDER)


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
        write_page_checksum=True,
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
