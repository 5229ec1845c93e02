"""Facts about a dataset as a whole, which decide whether a photo among the others is odd or a duplicate."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.audit.groups import DuplicateGroups, groups_of
from pasd_batch.audit.links import BANDS, LINK_SCHEMA, key_table, links_of, parts_of
from pasd_batch.cluster.datasets import tables_by_key
from pasd_batch.config.audit import AuditSettings
from pasd_batch.runs.run_file import RunFile
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.threads import in_threads

_PHOTOS_IN_ONE_BLOCK = 250_000  # whose keys stay far below the size at which Ray cuts a block in two
_PHOTOS_A_PART = 1_000_000


@dataclass(frozen=True, eq=False)
class DatasetFacts:
    """Facts about all photos that could be read.

    Attributes:
        quartiles: 25 % and 75 % quantile of the side of a square of a photo's area, pixels; None without any photo.
        groups: photos that have duplicates.
        kept_ids: ids of the photos to keep, by their numbers in the plan's order.
    """

    quartiles: tuple[float, float] | None
    groups: DuplicateGroups
    kept_ids: dict[int, str]


def dataset_facts(folder: RunFolder, run: RunFile, settings: AuditSettings) -> DatasetFacts:
    """The facts about a complete audit; of each photo 8 bytes are held, and 30 or more of each duplicate.

    Ray must be running.

    Raises:
        StorageError: results cannot be read.
    """
    groups = find_duplicates(folder, run, settings)
    return DatasetFacts(_quartiles(folder), groups, _ids(folder, run, np.unique(groups.kept)))


def find_duplicates(folder: RunFolder, run: RunFile, settings: AuditSettings) -> DuplicateGroups:
    """Photos with the same pixels or similar perceptual hashes: their hashes are brought together by a shuffle, so that
    nobody holds all of them. Ray must be running.

    Raises:
        StorageError: results cannot be read.
    """
    shard_size = int(run.config["shard_size"])
    most_bits = settings.near_duplicate
    if not settings.exact_duplicate and most_bits is None:
        return groups_of(LINK_SCHEMA.empty_table())
    parts = -(-run.photos // _PHOTOS_A_PART)

    def keys(shard: int) -> Iterator[pa.Table]:
        table = photo_keys(folder, shard, shard_size)
        if table.num_rows:
            yield table.append_column("part", pa.array(parts_of(table, parts)))

    def links(table: pa.Table) -> pa.Table:
        return links_of(table, most_bits)

    partitions = None if run.photos <= _PHOTOS_IN_ONE_BLOCK else (BANDS + 1) * parts
    tables = tables_by_key(run.shards, keys, links, column="part", partitions=partitions)
    known = (table.select(LINK_SCHEMA.names) for table in tables if table.num_rows)
    every_link = pa.concat_tables([LINK_SCHEMA.empty_table(), *known])
    if not settings.exact_duplicate:
        every_link = every_link.filter(pc.invert(every_link["exact"]))
    return groups_of(every_link)


def photo_keys(folder: RunFolder, shard: int, shard_size: int) -> pa.Table:
    """Keys of a shard's photos that could be read, numbered in the plan's order."""
    rows = folder.shard_rows(shard, ["input_width", "input_height", "audit"])
    measured = np.flatnonzero(rows["audit"].is_valid().to_numpy())
    rows = rows.take(pa.array(measured))
    pixels = rows["input_width"].to_numpy().astype(np.int64) * rows["input_height"].to_numpy()
    hashes = [pc.struct_field(rows["audit"], name).to_pylist() for name in ("pixel_hash", "perceptual_hash")]
    return key_table(shard * shard_size + measured, pixels, *hashes)


def _quartiles(folder: RunFolder) -> tuple[float, float] | None:
    sides = array("d")
    for table in folder.rows(["input_width", "input_height"]):
        areas = pc.multiply(table["input_width"].cast(pa.float64()), table["input_height"].cast(pa.float64()))
        sides.frombytes(np.sqrt(areas.drop_null().to_numpy()).tobytes())
    if not sides:
        return None
    low, high = np.quantile(np.frombuffer(sides), (0.25, 0.75))
    return float(low), float(high)


def _ids(folder: RunFolder, run: RunFile, numbers: np.ndarray) -> dict[int, str]:
    shard_size = int(run.config["shard_size"])
    shards, starts = np.unique(numbers // shard_size, return_index=True)
    wanted = dict(zip(shards.tolist(), np.split(numbers, starts[1:]), strict=True)) if len(shards) else {}

    def ids(shard: int) -> dict[int, str]:
        own = folder.shard_rows(shard, ["photo_id"])["photo_id"].to_pylist()
        return {number: own[number - shard * shard_size] for number in wanted[shard].tolist()}

    return {number: name for found in in_threads(ids, wanted) for number, name in found.items()}
