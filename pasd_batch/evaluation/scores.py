"""Scores of an evaluation: every method's on every set, read from the runs and the stored features."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pasd_batch.evaluation.features import ENLARGED, TRUTHS, parts_of, read_features
from pasd_batch.evaluation.layout import feature_path
from pasd_batch.evaluation.paired import mean_interval
from pasd_batch.evaluation.protocols import Protocol, compares
from pasd_batch.evaluation.sets import PhotoPair
from pasd_batch.evaluation.variant_runs import NAME_COLUMN, SET_COLUMN
from pasd_batch.metrics.set_metric import SET_METRICS, build_set_metric
from pasd_batch.records import SCORE_METADATA_KEY, Status
from pasd_batch.report.score_pairs import AFTER, BEFORE
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.storage import Storage

BASELINE = "Lanczos"
"""Name of plain enlargement as a method."""


@dataclass
class MethodScores:
    """Scores of one method on one set."""

    method: str
    photos: list[str] = field(default_factory=list)
    """Names of the photos that were restored."""

    failed: list[str] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)
    """Addresses of the restored photos."""

    seconds: list[float] = field(default_factory=list)
    """Time that restoring each of `photos` took."""

    values: dict[str, list[float]] = field(default_factory=dict)
    """Values by metric, those of `photos` in their order, NaN where there is none."""

    of_set: dict[str, float | None] = field(default_factory=dict)
    """Values of metrics of whole sets."""

    def known(self, metric: str) -> np.ndarray:
        """Values of a metric, (photos,), NaN where there is none."""
        return np.array(self.values.get(metric) or [np.nan] * len(self.photos), np.float64)

    def mean(self, metric: str) -> float | None:
        """Mean over the photos that have a value, or the value of the set; None where there is none."""
        if metric in SET_METRICS:
            return self.of_set.get(metric)
        known = self.known(metric)
        return float(np.nanmean(known)) if np.isfinite(known).any() else None

    def interval(self, metric: str) -> tuple[float, float] | None:
        """The 95 % interval of the mean; None for metrics of sets, and for fewer than two values."""
        known = self.known(metric)
        known = known[np.isfinite(known)]
        return mean_interval(known) if metric not in SET_METRICS and known.size > 1 else None


def scores_of_run(
    run: RunFolder, method: str, protocol: Protocol
) -> tuple[dict[str, MethodScores], dict[str, MethodScores], dict[str, bool]]:
    """A variant's scores by set, those of plain enlargement, and which metrics are better higher.

    Raises:
        StorageError: the run cannot be read.
    """
    ours: dict[str, MethodScores] = {}
    enlarged: dict[str, MethodScores] = {}
    higher: dict[str, bool] = {}
    for row, meanings in _rows(run):
        mine = ours.setdefault(row[SET_COLUMN], MethodScores(method))
        plain = enlarged.setdefault(row[SET_COLUMN], MethodScores(BASELINE))
        if row["status"] != Status.OK:
            mine.failed.append(row[NAME_COLUMN])
            continue
        mine.results[row[NAME_COLUMN]] = row["output_uri"]
        mine.seconds.append((row["seconds"] or {}).get("restore") or 0.0)
        for each, after in ((mine, True), (plain, False)):
            each.photos.append(row[NAME_COLUMN])
            for metric in (*protocol.full_reference, *protocol.no_reference):
                name = _score_name(metric, after=after)
                value = (row["scores"] or {}).get(name)
                each.values.setdefault(metric, []).append(np.nan if value is None else value)
                if name in meanings:
                    higher[metric] = bool(meanings[name]["higher_is_better"])
    return ours, enlarged, higher


def add_set_metrics(
    scores: Mapping[str, MethodScores], source: str, pairs: Sequence[PhotoPair], storage: Storage, names: Sequence[str]
) -> None:
    """Add to the scores of a method, by set, those of whole sets, from the stored features of `source`.

    Parts are added in the pairs' order, so that values do not depend on who made them when.

    Raises:
        StorageError: features cannot be read.
    """
    for test_set, parts in parts_of(pairs).items():
        metrics = {name: build_set_metric(name) for name in names}
        restored = set(scores[test_set].photos)
        for number, part in enumerate(parts):
            shown = [pair.name for pair in part if pair.name in restored]
            if not shown:
                continue
            results = read_features(storage, feature_path(source, test_set, number))
            truths = read_features(storage, feature_path(TRUTHS, test_set, number))
            for metric in metrics.values():
                metric.update(*(np.stack([each[name] for name in shown]) for each in (results, truths)))
        scores[test_set].of_set = {name: metric.value() for name, metric in metrics.items()}


def source_of(method: str) -> str:
    """Name that a method's features are stored under."""
    return ENLARGED if method == BASELINE else f"variants/{method}"


def _score_name(metric: str, *, after: bool) -> str:
    if after:
        return metric if compares(metric) else metric + AFTER
    return metric + BEFORE


def _rows(run: RunFolder) -> Iterator[tuple[dict, dict]]:
    for table in run.rows(["status", SET_COLUMN, NAME_COLUMN, "scores", "output_uri", "seconds"]):
        meanings = json.loads((table.schema.metadata or {}).get(SCORE_METADATA_KEY, b"{}"))
        for row in table.to_pylist():
            yield row, meanings
