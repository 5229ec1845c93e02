"""Photos drawn from a manifest by their size, to tell from a few what all will take."""

import math
import pickle
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pyarrow as pa

from pasd_batch.batch.planning.checked_manifest import CheckedManifest, Span
from pasd_batch.batch.planning.shards import ShardLayout, planned_rows
from pasd_batch.cluster.datasets import rows_of_parts
from pasd_batch.records import PhotoRecord, records_of
from pasd_batch.storage.sealing import unsealed


@dataclass(frozen=True)
class DrawnPhotos:
    """Photos that were drawn, each once, with a chance in proportion to its size."""

    records: tuple[PhotoRecord, ...]
    sizes: tuple[float, ...]
    """Pixels of each; 1 for all where the manifest does not tell the sizes of all photos."""
    certain: tuple[bool, ...]
    """True for those whose size alone gives them a chance of 1."""
    rest: float
    """Sum of the sizes of all photos of the manifest but these."""


@dataclass(frozen=True)
class _Certain:
    """Photos that are drawn whatever happens: those from a size on."""

    size: float
    """Size of the smallest of them; infinity where there is none."""
    count: int
    rest: float
    """Sum of the sizes of all others."""

    @classmethod
    def of(cls, largest: Sequence[float], total: float, count: int) -> "_Certain":
        """Those of `count` draws, by the sizes of as many of the largest photos, largest first, and of all together.

        A photo is certain if it is at least as large as the distance between the places at which the others are drawn
        (self-representing units: Cochran, Sampling Techniques, 1977, chapter 9A), so that none is drawn twice.
        """
        size, taken, rest = math.inf, 0, total
        for each in largest[:count]:
            if each * (count - taken) < rest:
                break
            size, taken, rest = each, taken + 1, rest - each
        return cls(size, taken, rest)


def draw_photos(checked: CheckedManifest, count: int, *, seed: int) -> DrawnPhotos:
    """Draw so many photos at equal distances along the sizes of all, beginning at a random place. Ray must be running.

    All are drawn if there are no more. The manifest is read twice, in parallel, and never held.

    Raises:
        ManifestError, StorageError: the manifest cannot be read any more.
    """
    spans = checked.spans()

    def measure(index: int) -> Iterator[dict[str, bytes]]:
        sizes = [_sizes(table) for _, table in checked.tables(spans[index])]
        yield {"measured": pickle.dumps((index, *_sums(sizes, count)))}

    found = sorted(pickle.loads(row["measured"]) for row in rows_of_parts(len(spans), measure))
    sized = all(known for _, known, _, _ in found)
    if not sized:
        found = [(index, True, float(rows), [1.0] * min(rows, count)) for index, rows in enumerate(map(_rows, spans))]
    largest = sorted((size for *_, sizes in found for size in sizes), reverse=True)
    certain = _Certain.of(largest, math.fsum(total for _, _, total, _ in found), count)
    totals = [total - math.fsum(size for size in sizes if size >= certain.size) for _, _, total, sizes in found]
    by_span = _places(totals, count - certain.count, random.Random(seed).random())
    chosen = [index for index, *_, sizes in found if index in by_span or any(size >= certain.size for size in sizes)]

    def fetch(number: int) -> Iterator[dict[str, bytes]]:
        index = chosen[number]
        yield {"drawn": pickle.dumps(_at(checked, index, by_span.get(index, []), certain.size, sized=sized))}

    drawn = [each for row in rows_of_parts(len(chosen), fetch) for each in pickle.loads(row["drawn"])]
    sizes = tuple(size for _, size in drawn)
    return DrawnPhotos(
        tuple(record for record, _ in drawn), sizes, tuple(size >= certain.size for size in sizes), certain.rest
    )


def _sums(sizes: Sequence[np.ndarray], count: int) -> tuple[bool, float, list[float]]:
    """True if the sizes of all photos are known; their sum, and the `count` largest."""
    together = np.concatenate([np.empty(0), *sizes])
    return bool((together > 0).all()), float(together.sum()), np.sort(together)[-count:].tolist()


def _rows(span: Span) -> int:
    return span.stop - span.first


def _places(totals: Sequence[float], count: int, start: float) -> dict[int, list[float]]:
    """Places at equal distances along sums of sizes one after the other, by the number of the sum, in each from 0."""
    ends = list(accumulate(totals))
    places: dict[int, list[float]] = {}
    for number in range(count if ends[-1] else 0):
        place = (start + number) * ends[-1] / count
        index = min(bisect_right(ends, place), len(ends) - 1)
        places.setdefault(index, []).append(place - (ends[index] - totals[index]))
    return places


def _at(
    checked: CheckedManifest, index: int, places: Sequence[float], certain: float, *, sized: bool
) -> list[tuple[PhotoRecord, float]]:
    """The photos of a span from the size `certain` on, and those of the others at these places along their sizes.

    Places are in order; sizes come with the photos.
    """
    span, survey = checked.spans()[index], checked.survey
    layout = ShardLayout(1, survey.extra, checked.paths, survey.plan_key)
    left, passed, found = list(places), 0.0, []
    for first, table in checked.tables(span):
        sizes = _sizes(table) if sized else np.ones(table.num_rows)
        others = np.where(sizes >= certain, 0.0, sizes)
        ends = passed + np.cumsum(others)
        rows = np.flatnonzero(sizes >= certain).tolist()
        while left and (left[0] < ends[-1] or first + table.num_rows >= span.stop):
            rows.append(min(int(np.searchsorted(ends, left.pop(0), side="right")), int(np.flatnonzero(others)[-1])))
        for row in sorted(rows):
            planned = planned_rows(first + row, table.slice(row, 1), checked.colliding, layout)
            (record,) = records_of(unsealed(planned, survey.plan_key), survey.source_root or None)
            found.append((record, float(sizes[row])))
        passed = float(ends[-1])
    return found


def _sizes(table: pa.Table) -> np.ndarray:
    """Pixels of each row's photo; 0 where the manifest does not tell."""
    if not {"width", "height"} <= set(table.column_names):
        return np.zeros(table.num_rows)
    sides = [np.nan_to_num(table[name].to_numpy().astype(float)) for name in ("width", "height")]
    return np.clip(sides[0], 0, None) * np.clip(sides[1], 0, None)
