"""Photos that the comparison's page shows: those that gained and lost most, from every run."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.errors import PasdBatchError
from pasd_batch.evaluation.compared_runs import ComparedRun, ComparedRuns, Versus
from pasd_batch.evaluation.comparison import MOST_CHANGED, PhotoChange
from pasd_batch.report.html.pictures import MOST_BYTES, EncodedPictures, encoded_pictures
from pasd_batch.report.render import SheetPhoto, shrunk
from pasd_batch.report.run_photos import PHOTO_COLUMNS, ground_of, input_picture, result_picture
from pasd_batch.report.score_pairs import AFTER

_logger = logging.getLogger(__name__)

INPUT = "input"
"""Label of a photo as it came; results have their runs' letters."""


@dataclass(frozen=True)
class ComparedPhoto:
    """A photo as the page shows it: pictures, each with its label, and which two of them are compared at first."""

    name: str
    reason: str
    notes: tuple[str, ...]
    labels: tuple[str, ...]
    pictures: EncodedPictures
    left: str
    right: str | None
    """None where runs have no results to compare, but only the photo."""


@dataclass
class _Chosen:
    versus: Versus
    change: PhotoChange
    reasons: list[str] = field(default_factory=list)


def compared_photos(compared: ComparedRuns, photos: int, limits: DecodeLimits) -> Iterator[ComparedPhoto]:
    """Up to `photos` photos; those that are not to be had any more are left out, with a warning."""
    chosen = _choose(compared, photos)
    for each in chosen:
        try:
            yield _loaded(compared, each, limits, most_bytes=MOST_BYTES // len(chosen))
        except PasdBatchError as error:
            _logger.warning("%s is not shown in the comparison: %s", each.change.name, error)


def _choose(compared: ComparedRuns, photos: int) -> list[_Chosen]:
    """The photos that changed most by every score in turn, each once."""
    found: dict[int, _Chosen] = {}
    rankings = list(_rankings(compared))
    for rank in range(MOST_CHANGED):
        for versus, reason, ranked in rankings:
            if rank < len(ranked) and (len(found) < photos or ranked[rank].first in found):
                found.setdefault(ranked[rank].first, _Chosen(versus, ranked[rank])).reasons.append(reason)
    order = [reason for _, reason, _ in rankings]
    return sorted(found.values(), key=lambda each: order.index(each.reasons[0]))


def _rankings(compared: ComparedRuns) -> Iterator[tuple[Versus, str, tuple[PhotoChange, ...]]]:
    for versus in compared.comparisons:
        for change in versus.comparison.changes:
            where = f"in {versus.letters[1]} by {change.column.name.removesuffix(AFTER)}"
            yield versus, f"better {where}", change.gained
            yield versus, f"worse {where}", change.lost


def _loaded(compared: ComparedRuns, chosen: _Chosen, limits: DecodeLimits, *, most_bytes: int) -> ComparedPhoto:
    first = compared.runs[0]
    row, shard = _row(first, chosen.change.first)
    ground = ground_of(first.about)
    pictures = {INPUT: input_picture(row, shard, first.folder, limits, ground)}
    for run in compared.runs:
        result = _result(run, row["photo_id"], ground)
        if result is not None:
            pictures[run.letter] = result
    left, right = _sides(chosen.versus, pictures)
    small = shrunk(SheetPhoto(chosen.change.name, tuple(pictures.values())))
    return ComparedPhoto(
        name=chosen.change.name,
        reason=chosen.reasons[0],
        notes=(_scores(chosen), *([f"also {', '.join(chosen.reasons[1:])}"] if len(chosen.reasons) > 1 else [])),
        labels=tuple(pictures),
        pictures=encoded_pictures(small.images, most_bytes=most_bytes),
        left=left,
        right=right,
    )


def _row(run: ComparedRun, number: int) -> tuple[dict[str, Any], int]:
    shard, place = run.scores.place(number)
    (row,) = run.folder.shard_rows(shard, PHOTO_COLUMNS).slice(place, 1).to_pylist()
    return row, shard


def _result(run: ComparedRun, photo_id: str, ground: np.ndarray) -> np.ndarray | None:
    """The photo as a run restored it; None where it did not."""
    number = pc.index(run.scores.ids, photo_id).as_py()
    if number < 0:
        return None
    row, shard = _row(run, number)
    return None if row["output_path"] is None else result_picture(row, shard, run.folder, ground)


def _sides(versus: Versus, pictures: dict[str, np.ndarray]) -> tuple[str, str | None]:
    left = INPUT if versus.first is None else versus.first.letter
    right = versus.second.letter
    return (left, right) if left in pictures and right in pictures else (INPUT, None)


def _scores(chosen: _Chosen) -> str:
    """All compared scores of the photo, the first run's and the second's."""
    parts = []
    for change in chosen.versus.comparison.changes:
        first, second = chosen.versus.scores_of(chosen.change, change.column.name)
        if np.isfinite(first) and np.isfinite(second):
            parts.append(f"{change.column.name} {first:.3g} to {second:.3g}")
    return ", ".join(parts)
