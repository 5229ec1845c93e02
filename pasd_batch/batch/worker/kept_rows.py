"""Good rows of a shard that a repair lets be done again: its worker takes them over and does only the others."""

import logging
from collections.abc import Mapping, Sequence

import pyarrow as pa

from pasd_batch.batch.worker.rows import Row
from pasd_batch.records import PhotoRecord
from pasd_batch.runs.damage import RunDamaged
from pasd_batch.runs.layout import kept_rows_path
from pasd_batch.runs.row_file import encode_rows, read_rows
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.storage import NotFound, Storage

_logger = logging.getLogger(__name__)


def keep_rows(folder: RunFolder, shard: int, places: Sequence[int]) -> None:
    """Store the rows of a committed shard that stand at `places`.

    Raises:
        StorageError: they cannot be read or stored.
    """
    table = folder.shard_rows(shard).take(pa.array(places, pa.int64()))
    folder.storage.write(kept_rows_path(shard), encode_rows(table.to_pylist(), table.schema))


def kept_rows(storage: Storage, shard: int) -> Mapping[str, Row]:
    """The rows that were kept of a shard, by photo id; none where there are none, or where they are damaged.

    Raises:
        StorageError: the storage is in trouble.
    """
    path = kept_rows_path(shard)
    try:
        return {row["photo_id"]: row for row in read_rows(storage, path)}
    except NotFound:
        return {}
    except RunDamaged as error:
        _logger.warning("%s; the whole shard is done again", error)
        return {}


def merged(records: Sequence[PhotoRecord], kept: Mapping[str, Row], done: Sequence[Row]) -> list[Row]:
    """The rows of a whole shard, in the plan's order."""
    by_id = dict(kept) | {row["photo_id"]: row for row in done}
    return [by_id[record.photo_id] for record in records]
