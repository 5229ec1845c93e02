"""What a run's committed rows add up to, read from storage alone; `summary.json` when the run is complete."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice

import pyarrow.parquet as pq

from pasd_batch.batch.run_file import RunFile
from pasd_batch.config.storage import StorageSettings
from pasd_batch.data.ranged_file import open_for_reading
from pasd_batch.data.results import ResultStore, result_path
from pasd_batch.data.storage import Storage
from pasd_batch.records import Status

SUMMARY_FILE = "summary.json"

_READERS = 16
_COLUMNS = ["status", "error_stage", "error_type", "input_bytes", "output_bytes", "isolated", "seconds"]


class RunInconsistent(Exception):
    """Committed rows that do not add up to the plan: somebody has changed the run's files."""


@dataclass(frozen=True)
class ShardCounts:
    """What one shard's rows add up to."""

    shard: int
    photos: int
    failed: int
    failures: Counter[str]
    """Failed photos by `stage/type`."""
    isolated: int
    input_bytes: int
    output_bytes: int
    seconds: dict[str, float]


@dataclass(frozen=True)
class RunCounts:
    """What all committed rows of a run add up to."""

    shards: int = 0
    photos: int = 0
    failed: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    isolated: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    """Seconds of all workers together, by stage."""

    @property
    def error_rate(self) -> float:
        """Share of the photos that failed."""
        return self.failed / self.photos if self.photos else 0.0


def count_results(storage: Storage, access: StorageSettings, shards: Iterable[int]) -> Iterator[ShardCounts]:
    """What the given committed shards add up to, each by itself.

    Raises:
        StorageError: a shard cannot be read.
    """
    left = iter(shards)
    with ThreadPoolExecutor(_READERS) as pool:
        while batch := list(islice(left, 8 * _READERS)):
            yield from pool.map(lambda shard: _count_shard(storage, access, shard), batch)


def add_up(counts: Iterable[ShardCounts]) -> RunCounts:
    """The sum of shards' counts."""
    shards = photos = failed = isolated = input_bytes = output_bytes = 0
    failures: Counter[str] = Counter()
    seconds: dict[str, float] = defaultdict(float)
    for each in counts:
        shards += 1
        photos += each.photos
        failed += each.failed
        isolated += each.isolated
        input_bytes += each.input_bytes
        output_bytes += each.output_bytes
        failures.update(each.failures)
        for stage, taken in each.seconds.items():
            seconds[stage] += taken
    return RunCounts(
        shards=shards,
        photos=photos,
        failed=failed,
        failures=dict(failures.most_common()),
        isolated=isolated,
        input_bytes=input_bytes,
        output_bytes=output_bytes,
        seconds={stage: round(taken, 3) for stage, taken in seconds.items()},
    )


def expected_photos(run: RunFile, shard: int) -> int:
    """How many photos the plan has in a shard."""
    size = int(run.config["shard_size"])
    return min(size, run.photos - shard * size)


def summarize(storage: Storage, access: StorageSettings, run: RunFile) -> RunCounts:
    """Add up a complete run, make sure that it has the plan's photos shard by shard, and write `summary.json`.

    Raises:
        RunInconsistent: rows or shards are missing or too many.
        StorageError: results cannot be read, or the summary not be written.
    """
    committed = sorted(ResultStore(storage).committed())
    if committed != list(range(run.shards)):
        strange = sorted(set(committed) ^ set(range(run.shards)))
        raise RunInconsistent(f"{storage.uri()} should have {run.shards} shards; missing or too many: {strange[:10]}")
    shards = list(count_results(storage, access, committed))
    wrong = [each for each in shards if each.photos != expected_photos(run, each.shard)]
    if wrong:
        lines = [
            f"{result_path(each.shard)}: {each.photos} rows, {expected_photos(run, each.shard)} planned"
            for each in wrong
        ]
        raise RunInconsistent(f"{storage.uri()} does not add up to its plan: {'; '.join(lines[:10])}")
    counts = add_up(shards)
    storage.write(SUMMARY_FILE, json.dumps(_summary(run, counts), indent=2).encode())
    return counts


def _summary(run: RunFile, counts: RunCounts) -> dict[str, object]:
    return {
        "photos": counts.photos,
        "ok": counts.photos - counts.failed,
        "failed": counts.failed,
        "error_rate": counts.error_rate,
        **asdict(counts),
        **asdict(run.provenance),
        "begun_at": run.created_at,
    }


def _count_shard(storage: Storage, access: StorageSettings, shard: int) -> ShardCounts:
    with open_for_reading(storage.uri(result_path(shard)), access) as file:
        rows = pq.ParquetFile(file).read(columns=_COLUMNS).to_pylist()
    failed = [row for row in rows if row["status"] == Status.FAILED]
    seconds: dict[str, float] = defaultdict(float)
    for row in rows:
        for stage, taken in row["seconds"].items():
            seconds[stage] += taken or 0.0
    return ShardCounts(
        shard=shard,
        photos=len(rows),
        failed=len(failed),
        failures=Counter(f"{row['error_stage']}/{row['error_type']}" for row in failed),
        isolated=sum(row["isolated"] for row in rows),
        input_bytes=sum(row["input_bytes"] or 0 for row in rows),
        output_bytes=sum(row["output_bytes"] or 0 for row in rows),
        seconds=dict(seconds),
    )
