"""A run's committed rows, shard by shard, without the images that may be in them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq

from pasd_batch.config.storage import StorageSettings
from pasd_batch.data.ranged_file import open_for_reading
from pasd_batch.data.results import ResultStore, result_path
from pasd_batch.data.storage import Storage

_READERS = 16


def committed_tables(storage: Storage, access: StorageSettings, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The committed shards in order, with those of `columns` that they have; a few are held at a time.

    Raises:
        StorageError: a shard cannot be read.
    """
    shards = iter(sorted(ResultStore(storage).committed()))
    with ThreadPoolExecutor(_READERS) as pool:
        while batch := list(islice(shards, 4 * _READERS)):
            yield from pool.map(lambda shard: read_columns(storage, access, shard, columns), batch)


def read_columns(storage: Storage, access: StorageSettings, shard: int, columns: Sequence[str]) -> pa.Table:
    """A committed shard's rows, with those of `columns` that it has; nothing else is fetched."""
    with open_for_reading(storage.uri(result_path(shard)), access) as file:
        source = pq.ParquetFile(file)
        present = [name for name in columns if name in source.schema_arrow.names]
        return source.read(columns=present)
