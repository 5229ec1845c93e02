"""Sums over a run's committed rows, read from storage alone; `summary.json` when the run is complete."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

from pasd_batch.records import Status, lacks_scores
from pasd_batch.runs.damage import RunDamaged
from pasd_batch.runs.layout import IMAGES_FOLDER, PASSES_FOLDER, SUMMARY_FILE, result_files, result_path
from pasd_batch.runs.path_set import PathSet
from pasd_batch.runs.run_file import RunFile
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.storage import redact_uri
from pasd_batch.storage.threads import in_threads

_COLUMNS = [
    "status",
    "error_stage",
    "error_type",
    "output_path",
    "output_uri",
    "input_bytes",
    "output_bytes",
    "passes",
    "input_width",
    "input_height",
    "worker_seconds",
    "node_type",
    "isolated",
    "seconds",
    "warnings",
    "scores",
    "finished_at",
]

_SUMMED = ("photos", "failed", "with_warnings", "without_scores", "isolated", "input_bytes", "output_bytes")
"""Numbers of `ShardCounts` whose sums are in `RunCounts`."""


@dataclass(frozen=True)
class ShardCounts:
    """Sums over one shard's rows."""

    shard: int
    photos: int
    failed: int
    failures: Counter[str]
    """Failed photos by `stage/type`."""
    with_warnings: int
    without_scores: int
    isolated: int
    input_bytes: int
    output_bytes: int
    seconds: dict[str, float]
    worker_seconds: dict[str, float]
    megapixels: float
    gone: tuple[str, ...]
    """Restored photos that rows describe and that are not stored; looked for if it is known which are."""
    first_finished: datetime | None = None
    last_finished: datetime | None = None


@dataclass(frozen=True)
class RunCounts:
    """Sums over all committed rows of a run."""

    shards: int = 0
    photos: int = 0
    failed: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    with_warnings: int = 0
    """Photos, failed ones among them, whose rows have warnings."""
    without_scores: int = 0
    """Photos that did not fail and of which no score could be had, in a run that scores."""
    isolated: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    """Seconds of all workers together, by stage."""
    worker_seconds: dict[str, float] = field(default_factory=dict)
    """Time that workers spent on the committed shards, by type of node; `""` is an unknown type."""
    megapixels: float = 0.0
    """Of the photos as fetched."""

    @property
    def error_rate(self) -> float:
        """Share of the photos that failed."""
        return self.failed / self.photos if self.photos else 0.0

    def outcomes(self) -> str:
        """Numbers of photos that failed, have warnings or have no scores, for people."""
        parts = [f"{self.failed:,} failed"]
        if self.with_warnings:
            parts.append(f"{self.with_warnings:,} with warnings")
        if self.without_scores:
            parts.append(f"{self.without_scores:,} without scores")
        return ", ".join(parts)


def count_results(run: RunFolder, shards: Iterable[int], *, stored: PathSet | None = None) -> Iterator[ShardCounts]:
    """Sums over the given committed shards, each by itself; `stored` are the photos that are there as files.

    Raises:
        StorageError: a shard cannot be read.
    """
    return in_threads(lambda shard: _count_shard(run, shard, stored), shards)


def add_up(counts: Iterable[ShardCounts]) -> RunCounts:
    """The sum of shards' counts."""
    totals: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    seconds: dict[str, float] = defaultdict(float)
    worker_seconds: dict[str, float] = defaultdict(float)
    megapixels = 0.0
    for each in counts:
        totals.update(shards=1, **{name: getattr(each, name) for name in _SUMMED})
        failures.update(each.failures)
        for stage, taken in each.seconds.items():
            seconds[stage] += taken
        for kind, taken in each.worker_seconds.items():
            worker_seconds[kind] += taken
        megapixels += each.megapixels
    return RunCounts(
        **totals,
        failures=dict(failures.most_common()),
        seconds={stage: round(taken, 3) for stage, taken in seconds.items()},
        worker_seconds={kind: round(taken, 3) for kind, taken in worker_seconds.items()},
        megapixels=round(megapixels, 6),
    )


def expected_photos(run: RunFile, shard: int) -> int:
    """Number of photos that the plan has in a shard."""
    size = int(run.config["shard_size"])
    return min(size, run.photos - shard * size)


def summarize(folder: RunFolder, run: RunFile) -> RunCounts:
    """Add up a complete run, make sure that it has the plan's photos shard by shard, and write `summary.json`.

    Raises:
        RunDamaged: rows, shards or restored photos are missing, or shards too many.
        StorageError: results cannot be read, or the summary not be written.
    """
    committed = folder.committed()
    if committed != list(range(run.shards)):
        strange = sorted(set(committed) ^ set(range(run.shards)))
        raise _unlike_plan(folder, f"should have {run.shards} shards; missing or too many: {strange[:10]}")
    stored = PathSet(chain(folder.storage.list(IMAGES_FOLDER), folder.storage.list(PASSES_FOLDER)))
    shards = list(count_results(folder, committed, stored=stored))
    wrong = [each for each in shards if each.photos != expected_photos(run, each.shard)]
    if wrong:
        lines = [
            f"{result_path(each.shard)}: {each.photos} rows, {expected_photos(run, each.shard)} planned"
            for each in wrong
        ]
        raise _unlike_plan(folder, f"does not add up to its plan: {'; '.join(lines[:10])}")
    gone = [path for each in shards for path in each.gone]
    if gone:
        raise _unlike_plan(folder, f"lacks {len(gone):,} restored photos that its rows describe, such as {gone[0]}")
    counts = add_up(shards)
    folder.storage.write(SUMMARY_FILE, json.dumps(summary_of(run, counts), indent=2).encode())
    return counts


def _unlike_plan(folder: RunFolder, problem: str) -> RunDamaged:
    place = redact_uri(folder.storage.uri())
    return RunDamaged(f"{place} {problem}; `pasd-batch verify {place}` says more, and with --repair mends it")


def summary_of(run: RunFile, counts: RunCounts) -> dict[str, object]:
    """Content of `summary.json` for a complete run."""
    return {
        "photos": counts.photos,
        "ok": counts.photos - counts.failed,
        "failed": counts.failed,
        "error_rate": counts.error_rate,
        **asdict(counts),
        **asdict(run.provenance),
        "begun_at": run.created_at,
    }


def _count_shard(folder: RunFolder, shard: int, stored: PathSet | None) -> ShardCounts:
    rows = folder.shard_rows(shard, _COLUMNS).to_pylist()
    failed = [row for row in rows if row["status"] == Status.FAILED]
    seconds: dict[str, float] = defaultdict(float)
    for row in rows:
        for stage, taken in (row["seconds"] or {}).items():
            seconds[stage] += taken or 0.0
    worker_seconds: dict[str, float] = defaultdict(float)
    for row in rows:
        worker_seconds[row["node_type"] or ""] += row["worker_seconds"] or 0.0
    finished = [row["finished_at"] for row in rows if row["finished_at"] is not None]
    return ShardCounts(
        shard=shard,
        photos=len(rows),
        failed=len(failed),
        failures=Counter(f"{row['error_stage']}/{row['error_type']}" for row in failed),
        with_warnings=sum(bool(row["warnings"]) for row in rows),
        without_scores=sum(lacks_scores(row) for row in rows),
        isolated=sum(row["isolated"] for row in rows),
        input_bytes=sum(row["input_bytes"] or 0 for row in rows),
        output_bytes=sum(row["output_bytes"] or 0 for row in rows),
        seconds=dict(seconds),
        worker_seconds=dict(worker_seconds),
        megapixels=sum((row["input_width"] or 0) * (row["input_height"] or 0) for row in rows) / 1e6,
        gone=() if stored is None else tuple(_gone(folder, rows, stored)),
        first_finished=min(finished, default=None),
        last_finished=max(finished, default=None),
    )


def _gone(folder: RunFolder, rows: Sequence[Mapping[str, Any]], stored: PathSet) -> Iterator[str]:
    paths = [
        path
        for row in rows
        if row["output_uri"] is not None
        for path in result_files(row["output_path"], len(row.get("passes") or ()))
    ]
    # A listing may pass over what can be opened, such as files behind a link.
    return (path for path in stored.missing(paths) if not folder.storage.exists(path))
