"""Comparison of two runs photo by photo, or of a run with plain enlargement."""

import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pasd_batch.evaluation.paired import PairedDifference, paired_difference
from pasd_batch.records import SCORE_METADATA_KEY, Status
from pasd_batch.report.score_pairs import score_pairs
from pasd_batch.runs.run_file import differences_between, read_run
from pasd_batch.runs.run_folder import RunFolder

MOST_CHANGED = 5
"""Photos that are named for having gained or lost most."""


@dataclass(frozen=True)
class ScoreChange:
    """Change of one score between two runs, and the photos in which it changed most."""

    name: str
    higher_is_better: bool
    difference: PairedDifference
    gained: tuple[tuple[str, float], ...]
    """Ids of the photos that gained most, with their differences; the largest gain first."""
    lost: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side."""

    first: str
    second: str
    """Addresses of the runs."""
    settings: tuple[str, ...]
    """Differences of what the runs were made with, a line each."""
    photos: int
    """Photos of both runs that failed in neither."""
    only_first: int
    only_second: int
    """Photos that one of the runs has no row of."""
    failed_first: int
    failed_second: int
    """Photos of both runs that failed in one of them alone."""
    changes: tuple[ScoreChange, ...]


@dataclass(frozen=True)
class _Scores:
    """Rows of a run: ids, which of them did not fail, and scores by name, NaN where there is none."""

    ids: list[str]
    restored: np.ndarray
    values: dict[str, np.ndarray]
    higher_is_better: dict[str, bool]


def compare_runs(first: RunFolder, second: RunFolder) -> Comparison:
    """Compare what both runs have committed so far, joined by the photos' ids.

    Raises:
        StorageError: a run cannot be read.
    """
    one, other = _scores(first), _scores(second)
    places = {identity: number for number, identity in enumerate(other.ids)}
    pairs = [(number, places[identity]) for number, identity in enumerate(one.ids) if identity in places]
    left, right = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    ids = [one.ids[number] for number in left]
    done, done_other = one.restored[left], other.restored[right]
    names = [name for name in one.values if name in other.values]
    return Comparison(
        first=first.storage.uri(),
        second=second.storage.uri(),
        settings=tuple(_settings(first, second)),
        photos=int((done & done_other).sum()),
        only_first=len(one.ids) - len(pairs),
        only_second=len(other.ids) - len(pairs),
        failed_first=int((~done & done_other).sum()),
        failed_second=int((done & ~done_other).sum()),
        changes=tuple(
            _changes(
                ids, {name: (one.values[name][left], other.values[name][right]) for name in names}, one.higher_is_better
            )
        ),
    )


def compare_with_baseline(run: RunFolder) -> Comparison:
    """Compare a run's results with plain enlargement of its photos, which its scores before are of.

    Raises:
        StorageError: the run cannot be read.
    """
    scores = _scores(run)
    pairs = {
        after: (scores.values[before], scores.values[after])
        for before, after in score_pairs(list(scores.values)).values()
    }
    restored = int(scores.restored.sum())
    uri = run.storage.uri()
    changes = tuple(_changes(scores.ids, pairs, scores.higher_is_better))
    return Comparison("plain enlargement (Lanczos)", uri, (), restored, 0, 0, 0, 0, changes)


def _scores(run: RunFolder) -> _Scores:
    ids: list[str] = []
    restored: list[bool] = []
    parts: dict[str, list[tuple[int, np.ndarray]]] = {}
    higher: dict[str, bool] = {}
    for table in run.rows(["photo_id", "status", "scores"]):
        meanings = json.loads((table.schema.metadata or {}).get(SCORE_METADATA_KEY, b"{}"))
        higher |= {name: bool(meaning["higher_is_better"]) for name, meaning in meanings.items()}
        for name, values in _columns(table):
            parts.setdefault(name, []).append((len(ids), values))
        ids += table["photo_id"].to_pylist()
        restored += [status == Status.OK for status in table["status"].to_pylist()]
    values = {name: np.full(len(ids), np.nan) for name in parts}
    for name, pieces in parts.items():
        for start, piece in pieces:
            values[name][start : start + len(piece)] = piece
    return _Scores(ids, np.array(restored, bool), values, higher)


def _columns(table: pa.Table) -> Iterator[tuple[str, np.ndarray]]:
    if "scores" in table.column_names:
        scores = table.select(["scores"]).flatten()
        for name in scores.column_names:
            yield name.removeprefix("scores."), scores[name].to_numpy().astype(np.float64)


def _changes(
    ids: list[str], pairs: dict[str, tuple[np.ndarray, np.ndarray]], higher_is_better: dict[str, bool]
) -> Iterator[ScoreChange]:
    for name, (first, second) in pairs.items():
        higher = higher_is_better.get(name, True)
        difference = paired_difference(first, second, higher_is_better=higher)
        if difference is None:
            continue
        change = second - first
        gain = change if higher else -change
        known = [(float(gain[number]), int(number)) for number in np.flatnonzero(np.isfinite(gain))]
        gained = [number for value, number in heapq.nlargest(MOST_CHANGED, known) if value > 0]
        lost = [number for value, number in heapq.nsmallest(MOST_CHANGED, known) if value < 0]
        yield ScoreChange(name, higher, difference, *(_named(ids, change, which) for which in (gained, lost)))


def _named(ids: list[str], change: np.ndarray, numbers: list[int]) -> tuple[tuple[str, float], ...]:
    return tuple((ids[number], float(change[number])) for number in numbers)


def _settings(first: RunFolder, second: RunFolder) -> Iterator[str]:
    one, other = read_run(first.storage), read_run(second.storage)
    if one is not None and other is not None:
        yield from differences_between(one, other, here="in the first", there="in the second")
        if one.software != other.software:
            changed = sorted(name for name in one.software if one.software[name] != other.software.get(name))
            yield f"versions: {', '.join(changed)}"
