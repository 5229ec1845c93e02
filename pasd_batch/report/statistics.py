"""Summary of a run for people: counts, failures, scores before and after, and what took longest, as Markdown."""

import heapq
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from pasd_batch.records import SCORE_METADATA_KEY, Status, lacks_scores
from pasd_batch.report.markdown import as_text, markdown_table
from pasd_batch.report.photo_names import photo_name
from pasd_batch.report.score_pairs import score_pairs

SLOWEST = 10
"""So many of the slowest photos are named."""


@dataclass
class Mean:
    """A mean that is added to, and how many values are in it."""

    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        """Count one more value."""
        self.total += value
        self.count += 1

    @property
    def value(self) -> float | None:
        """The mean; None of nothing."""
        return self.total / self.count if self.count else None


@dataclass
class PairedMeans:
    """A score before and after, over the photos that have both."""

    name: str
    """Name of the score after."""
    before: Mean = field(default_factory=Mean)
    after: Mean = field(default_factory=Mean)
    better: int = 0
    """Photos whose score is better after than before."""


@dataclass(order=True, frozen=True)
class SlowPhoto:
    """Time that one photo took, all stages together."""

    seconds: float
    photo_id: str
    size: str
    tiles: int | None


@dataclass
class RunStatistics:
    """Sums over all committed rows; rows are added shard by shard, so that any run fits in memory."""

    ok: int = 0
    failed: int = 0
    with_warnings: int = 0
    without_scores: int = 0
    """Photos that did not fail and of which no score could be had."""
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Failed photos by stage and error type."""
    examples: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """Name and message of the first photo of each kind of failure."""
    pairs: dict[str, PairedMeans] = field(default_factory=dict)
    means: dict[str, Mean] = field(default_factory=dict)
    higher_is_better: dict[str, bool] = field(default_factory=dict)
    stage_seconds: Counter[str] = field(default_factory=Counter)
    slowest: list[SlowPhoto] = field(default_factory=list)
    first_finished: datetime | None = None
    last_finished: datetime | None = None

    @property
    def photos(self) -> int:
        """Photos that have a row."""
        return self.ok + self.failed

    def add(self, table: pa.Table) -> None:
        """Count the rows of a table."""
        for name, meaning in json.loads((table.schema.metadata or {}).get(SCORE_METADATA_KEY, b"{}")).items():
            self.higher_is_better[name] = bool(meaning["higher_is_better"])
        for row in table.to_pylist():
            if row["status"] == Status.OK:
                self.ok += 1
                self._add_scores(row.get("scores") or {})
            else:
                self._add_failure(row)
            self.with_warnings += bool(row["warnings"])
            self.without_scores += lacks_scores(row)
            self._add_time(row)

    def _add_failure(self, row: Mapping[str, Any]) -> None:
        self.failed += 1
        kind = (row["error_stage"] or "", row["error_type"] or "")
        self.failures[kind] += 1
        name = photo_name(row["photo_id"], row["uri"], row.get("page"))
        self.examples.setdefault(kind, (name, row["error_message"] or ""))

    def _add_scores(self, scores: Mapping[str, float | None]) -> None:
        pairs = score_pairs(scores)
        paired = {name for names in pairs.values() for name in names}
        for metric, names in pairs.items():
            self._add_pair(metric, *names, scores)
        for name, value in scores.items():
            if name not in paired and value is not None:
                self.means.setdefault(name, Mean()).add(value)

    def _add_pair(self, metric: str, before: str, after: str, scores: Mapping[str, float | None]) -> None:
        pair = self.pairs.setdefault(metric, PairedMeans(after))
        first, second = scores[before], scores[after]
        if first is None or second is None:
            return
        pair.before.add(first)
        pair.after.add(second)
        pair.better += second > first if self.higher_is_better.get(after, True) else second < first

    def _add_time(self, row: Mapping[str, Any]) -> None:
        stages = {stage: taken for stage, taken in (row["seconds"] or {}).items() if taken}
        self.stage_seconds.update(stages)  # type: ignore[arg-type]  # a Counter adds any numbers
        size = f"{row['input_width']} x {row['input_height']}" if row["input_width"] else "unknown"
        photo = SlowPhoto(
            sum(stages.values()), photo_name(row["photo_id"], row["uri"], row.get("page")), size, row["tiles"]
        )
        keep = heapq.heappush if len(self.slowest) < SLOWEST else heapq.heappushpop
        keep(self.slowest, photo)
        finished = row["finished_at"]
        self.first_finished = min(self.first_finished or finished, finished)
        self.last_finished = max(self.last_finished or finished, finished)


def to_markdown(statistics: RunStatistics, *, title: str, planned: int | None = None, cost: str | None = None) -> str:
    """The summary as a Markdown page; `planned` is the plan's number of photos and `cost` a line, where known."""
    sections = [
        f"# {as_text(title)}",
        _counts(statistics, planned),
        as_text(cost or ""),
        _failures(statistics),
        _scores(statistics),
        _times(statistics),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _counts(statistics: RunStatistics, planned: int | None) -> str:
    lines = [f"{statistics.photos:,} photos: {statistics.ok:,} ok, {statistics.failed:,} failed."]
    if statistics.with_warnings:
        lines.append(f"{statistics.with_warnings:,} have warnings (column `warnings`).")
    if statistics.without_scores:
        lines.append(f"{statistics.without_scores:,} have no score at all (column `score_errors` says why).")
    if planned is not None and planned > statistics.photos:
        lines.append(f"{planned - statistics.photos:,} of {planned:,} planned photos have no row yet.")
    if statistics.first_finished and statistics.last_finished:
        lines.append(
            f"Finished from {statistics.first_finished:%Y-%m-%d %H:%M} to "
            f"{statistics.last_finished:%Y-%m-%d %H:%M} UTC."
        )
    return " ".join(lines)


def _failures(statistics: RunStatistics) -> str:
    rows = [
        (f"{count:,}", stage, kind, f"{photo}: {message}")
        for (stage, kind), count in statistics.failures.most_common()
        for photo, message in [statistics.examples[stage, kind]]
    ]
    return markdown_table("Failures", ("photos", "stage", "error", "for example"), rows)


def _scores(statistics: RunStatistics) -> str:
    rows = []
    for metric, pair in statistics.pairs.items():
        before, after = pair.before.value, pair.after.value
        if before is not None and after is not None:
            share = f"{pair.better:,} of {pair.after.count:,} photos"
            name = f"{metric} ({_direction(statistics, pair.name)})"
            rows.append((name, f"{before:.4g}", f"{after:.4g}", f"{after - before:+.4g}", share))
    paired = markdown_table(
        "Scores before and after", ("score", "mean before", "mean after", "change of the mean", "better"), rows
    )
    rows = [
        (f"{name} ({_direction(statistics, name)})", f"{mean.value:.4g}", f"{mean.count:,}")
        for name, mean in statistics.means.items()
    ]
    single = markdown_table("Scores" if not paired else "Other scores", ("score", "mean", "photos"), rows)
    return "\n\n".join(part for part in (paired, single) if part)


def _times(statistics: RunStatistics) -> str:
    total = statistics.stage_seconds.total() or 1.0
    stages = [
        (stage, f"{seconds:,.1f}", f"{seconds / total:.0%}", f"{seconds / statistics.photos:.3f}")
        for stage, seconds in statistics.stage_seconds.most_common()
    ]
    slowest = [
        (photo.photo_id, photo.size, "" if photo.tiles is None else str(photo.tiles), f"{photo.seconds:.1f}")
        for photo in sorted(statistics.slowest, reverse=True)
    ]
    tables = (
        markdown_table("Where the time went", ("stage", "seconds, all workers", "share", "seconds per photo"), stages),
        markdown_table("Slowest photos", ("photo", "size", "tiles", "seconds"), slowest),
    )
    return "\n\n".join(table for table in tables if table)


def _direction(statistics: RunStatistics, name: str) -> str:
    return "higher is better" if statistics.higher_is_better.get(name, True) else "lower is better"
