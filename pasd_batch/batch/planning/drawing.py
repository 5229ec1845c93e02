"""Photos drawn from a manifest by their size, to tell from a few what all will take."""

import pickle
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pyarrow as pa

from pasd_batch.batch.planning.checked_manifest import CheckedManifest
from pasd_batch.batch.planning.shards import ShardLayout, planned_rows
from pasd_batch.cluster.datasets import rows_of_parts
from pasd_batch.records import PhotoRecord, records_of
from pasd_batch.storage.sealing import unsealed


@dataclass(frozen=True)
class DrawnPhotos:
    """Photos that were drawn, each with a chance in proportion to its size; a large one may be there several times."""

    records: tuple[PhotoRecord, ...]
    sizes: tuple[float, ...]
    """Pixels of each; 1 for all where the manifest does not tell the sizes of all photos."""
    total: float
    """Sum of the sizes of all photos of the manifest."""


def draw_photos(checked: CheckedManifest, count: int, *, seed: int) -> DrawnPhotos:
    """Draw so many photos at equal distances along the sizes of all, beginning at a random place. Ray must be running.

    The manifest is read twice, in parallel, and never held.

    Raises:
        ManifestError, StorageError: the manifest cannot be read any more.
    """
    spans = checked.spans()

    def measure(index: int) -> Iterator[dict[str, float]]:
        sizes = [_sizes(table) for _, table in checked.tables(spans[index])]
        unknown = sum(int((each <= 0).sum()) for each in sizes)
        yield {"span": index, "pixels": sum(float(each.sum()) for each in sizes), "unknown": unknown}

    found = sorted(rows_of_parts(len(spans), measure), key=lambda row: row["span"])
    sized = not any(row["unknown"] for row in found)
    totals = [row["pixels"] if sized else float(span.stop - span.first) for row, span in zip(found, spans, strict=True)]
    ends = list(accumulate(totals))
    start = random.Random(seed).random()
    points = [(start + number) * ends[-1] / count for number in range(count)]
    by_span: dict[int, list[float]] = {}
    for point in points:
        span = min(bisect_right(ends, point), len(spans) - 1)
        by_span.setdefault(span, []).append(point - (ends[span] - totals[span]))
    chosen = sorted(by_span)

    def fetch(number: int) -> Iterator[dict[str, bytes]]:
        index = chosen[number]
        yield {"drawn": pickle.dumps(_at(checked, index, by_span[index], sized=sized))}

    drawn = [each for row in rows_of_parts(len(chosen), fetch) for each in pickle.loads(row["drawn"])]
    return DrawnPhotos(tuple(record for record, _ in drawn), tuple(size for _, size in drawn), ends[-1])


def _at(
    checked: CheckedManifest, index: int, points: Sequence[float], *, sized: bool
) -> list[tuple[PhotoRecord, float]]:
    """The photos of a span at these places along their sizes, which are in order, and their sizes."""
    span, survey = checked.spans()[index], checked.survey
    layout = ShardLayout(1, survey.extra, checked.paths, survey.plan_key)
    left, passed, found = list(points), 0.0, []
    for first, table in checked.tables(span):
        sizes = _sizes(table) if sized else np.ones(table.num_rows)
        ends = passed + np.cumsum(sizes)
        while left and (left[0] < ends[-1] or first + table.num_rows >= span.stop):
            row = min(int(np.searchsorted(ends, left.pop(0), side="right")), table.num_rows - 1)
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
