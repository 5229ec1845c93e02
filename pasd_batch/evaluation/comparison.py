"""Comparison of two runs photo by photo, or of a run with plain enlargement."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow.compute as pc

from pasd_batch.errors import PasdBatchError
from pasd_batch.evaluation.paired import PairedDifference, paired_difference
from pasd_batch.evaluation.run_scores import RunScores
from pasd_batch.records import ScoreColumn
from pasd_batch.report.score_pairs import BEFORE, INPUT, score_pairs

MOST_CHANGED = 10
"""Photos that are kept for having gained or lost most by a score."""

BASELINE = "plain enlargement (Lanczos)"


class NothingInCommon(PasdBatchError):
    """Two runs that have no photo in common, so that there is nothing to compare."""


class Verdict(StrEnum):
    """Outcome of a comparison by one score, as far as its interval tells."""

    BETTER = "better"
    WORSE = "worse"
    UNCLEAR = "no clear difference"
    SAME = "the same"


@dataclass(frozen=True)
class PhotoChange:
    """A photo's change: its rows in the first run and the second, and the second's score less the first's."""

    name: str
    first: int
    second: int
    difference: float


@dataclass(frozen=True)
class ScoreChange:
    """Change of one score between two runs, and the photos in which it changed most."""

    column: ScoreColumn
    difference: PairedDifference
    changes: np.ndarray
    """The second's score less the first's, of shape (photos,), for the photos that have both."""
    gained: tuple[PhotoChange, ...]
    """Photos that gained most, the largest gain first."""
    lost: tuple[PhotoChange, ...]

    @property
    def verdict(self) -> Verdict:
        """The second run against the first."""
        found = self.difference
        if not self.changes.any():
            return Verdict.SAME
        if found.low <= 0.0 <= found.high:
            return Verdict.UNCLEAR
        return Verdict.BETTER if (found.mean > 0) == self.column.higher_is_better else Verdict.WORSE


@dataclass(frozen=True)
class Photos:
    """Numbers of photos of two runs."""

    compared: int
    """Photos of both that failed in neither."""
    only_first: int = 0
    only_second: int = 0
    """Photos that one of the runs has no row of."""
    failed_first: int = 0
    failed_second: int = 0
    """Photos of both that failed in one of them alone."""
    same_result: int = 0
    """Compared photos whose results are the same, byte by byte."""
    other_input: int = 0
    """Compared photos that were fetched as other bytes."""
    other_size: int = 0
    """Compared photos whose results are of another width."""


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side."""

    photos: Photos
    changes: tuple[ScoreChange, ...]


def compare_runs(first: RunScores, second: RunScores) -> Comparison:
    """Compare two runs, joined by the photos' ids.

    Raises:
        NothingInCommon: no photo is in both.
    """
    places = pc.index_in(first.ids, value_set=second.ids)
    left = np.flatnonzero(places.is_valid().to_numpy(zero_copy_only=False))
    right = places.drop_null().to_numpy().astype(np.int64)
    if not left.size:
        raise NothingInCommon(_ids_differ(first, second))
    names = [name for name in first.values if name in second.values]
    pairs = {name: (first.values[name][left], second.values[name][right]) for name in names}
    changes = _changes(first, {name: pair for name, pair in pairs.items() if _says_something(name, *pair)}, left, right)
    return Comparison(_photos(first, second, left, right), tuple(changes))


def compare_with_baseline(run: RunScores) -> Comparison:
    """Compare a run's results with plain enlargement of its photos, which its scores before are of."""
    pairs = {after: (run.values[before], run.values[after]) for before, after in score_pairs(list(run.values)).values()}
    every = np.arange(len(run.ids))
    return Comparison(Photos(int(run.restored.sum())), tuple(_changes(run, pairs, every, every)))


def _photos(first: RunScores, second: RunScores, left: np.ndarray, right: np.ndarray) -> Photos:
    done, done_other = first.restored[left], second.restored[right]
    both = done & done_other
    inputs = (first.inputs[left], second.inputs[right])
    outputs = (first.outputs[left], second.outputs[right])
    widths = (first.widths[left], second.widths[right])
    return Photos(
        compared=int(both.sum()),
        only_first=len(first.ids) - left.size,
        only_second=len(second.ids) - right.size,
        failed_first=int((~done & done_other).sum()),
        failed_second=int((done & ~done_other).sum()),
        same_result=int((both & (outputs[0] == outputs[1]) & (outputs[0] >= 0)).sum()),
        other_input=int((both & (inputs[0] != inputs[1]) & (inputs[0] >= 0) & (inputs[1] >= 0)).sum()),
        other_size=int((both & (widths[0] != widths[1]) & (widths[0] >= 0) & (widths[1] >= 0)).sum()),
    )


def _ids_differ(first: RunScores, second: RunScores) -> str:
    def example(run: RunScores) -> str:
        return f"such as {run.ids[0].as_py()!r}" if len(run.ids) else "of which there are none yet"

    return (
        f"the runs have no photo in common: photos are joined by their ids, {example(first)} in the first and "
        f"{example(second)} in the second; give both runs manifests with the same column `id`"
    )


def _says_something(name: str, first: np.ndarray, second: np.ndarray) -> bool:
    """False for scores of what went into both runs that are the same in both."""
    return not (name.endswith((BEFORE, INPUT)) and np.array_equal(first, second, equal_nan=True))


def _changes(
    run: RunScores, pairs: dict[str, tuple[np.ndarray, np.ndarray]], left: np.ndarray, right: np.ndarray
) -> Iterator[ScoreChange]:
    """Changes of scores of the first's rows `left` to the second's rows `right`."""
    for name, (first, second) in pairs.items():
        column = run.columns[name]
        difference = paired_difference(first, second, higher_is_better=column.higher_is_better)
        if difference is None:
            continue
        change = second - first
        gain = change if column.higher_is_better else -change
        known = [(float(gain[number]), int(number)) for number in np.flatnonzero(np.isfinite(gain))]
        gained = [number for value, number in heapq.nlargest(MOST_CHANGED, known) if value > 0]
        lost = [number for value, number in heapq.nsmallest(MOST_CHANGED, known) if value < 0]
        photos = [
            tuple(PhotoChange(run.name(int(left[n])), int(left[n]), int(right[n]), float(change[n])) for n in numbers)
            for numbers in (gained, lost)
        ]
        yield ScoreChange(column, difference, change[np.isfinite(change)], *photos)
