"""Sweep of settings: what every variant of an evaluation made of every photo, beside what is wrong with the photo."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pasd_batch.config.adaptation import AdaptedSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.evaluation.errors import EvaluationError
from pasd_batch.evaluation.layout import JSON
from pasd_batch.evaluation.variant_runs import NAME_COLUMN, SET_COLUMN, run_root
from pasd_batch.records import Status
from pasd_batch.runs.run_folder import open_run
from pasd_batch.storage.storage import Storage

READINGS = ("noise_sigma", "blur_sigma", "jpeg_strength")
"""Columns of the estimates that a map goes by."""


@dataclass(frozen=True)
class SweptPhoto:
    """A degraded photo; None where its pixels do not tell."""

    test_set: str
    name: str
    """That of the clean photo, the same in all sets."""
    scale: float
    noise_sigma: float | None
    blur_sigma: float | None
    jpeg_strength: float | None


@dataclass(frozen=True)
class Sweep:
    """Photos restored with every one of some settings."""

    settings: tuple[Mapping[str, Any], ...]
    """Each variant's values of the settings in which they differ."""
    photos: tuple[SweptPhoto, ...]
    scores: Mapping[str, np.ndarray]
    """By metric, float64 (photos, variants)."""
    objective: np.ndarray
    """Weighted sum of scores, which is to be large, (photos, variants)."""

    def part(self, wanted: np.ndarray) -> "Sweep":
        """The photos at these places, or where a mask (photos,) is true."""
        places = np.arange(len(self.photos))[wanted]
        scores = {name: values[places] for name, values in self.scores.items()}
        return Sweep(self.settings, tuple(self.photos[place] for place in places), scores, self.objective[places])


def read_sweep(evaluation: str, weights: Mapping[str, float], storage_settings: StorageSettings | None = None) -> Sweep:
    """The sweep that a finished evaluation is.

    Args:
        evaluation: its `output`.
        weights: weight of each metric in the objective; of those that are better low it is negative.
        storage_settings: none: the defaults.

    Raises:
        EvaluationError: there is no finished evaluation, its variants differ in nothing that adapts, or a photo has
            failed or lacks a score.
        StorageError: it cannot be read.
    """
    access = storage_settings or StorageSettings()
    storage = Storage.open(evaluation, access)
    if not storage.exists(JSON):
        raise EvaluationError(
            f"{storage.uri(JSON)}: there is no finished evaluation; run `pasd-batch evaluate` to its end"
        )
    variants = json.loads(storage.read(JSON))["variants"]
    settings = _differing([each["restoration"].get("sampling", {}) for each in variants])
    photos: dict[tuple[str, str], SweptPhoto] = {}
    values: dict[str, dict[tuple[str, str], list[float]]] = {name: {} for name in weights}
    for variant in variants:
        for row in _rows(run_root(storage, variant["name"]), access):
            key = (row[SET_COLUMN], row[NAME_COLUMN])
            readings = {name: row[name] for name in READINGS}
            photos[key] = SweptPhoto(*key, scale=row["scale"], **readings)
            for name in weights:
                values[name].setdefault(key, []).append(_score(row, name))
    scores = {name: np.array([found[key] for key in photos], np.float64) for name, found in values.items()}
    objective = sum((weight * scores[name] for name, weight in weights.items()), start=np.zeros(1))
    return Sweep(settings, tuple(photos.values()), scores, objective)


def _differing(samplings: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    names = [name for name in AdaptedSettings.model_fields if len({str(each.get(name)) for each in samplings}) > 1]
    found = tuple({name: each[name] for name in names if each.get(name) is not None} for each in samplings)
    if not names or len({str(each) for each in found}) < len(found):
        raise EvaluationError(
            f"variants differ by {', '.join(names) or 'nothing'} of what adapts, so that some cannot be told apart; let"
            f" them differ in {', '.join(AdaptedSettings.model_fields)} alone"
        )
    return found


def _rows(root: str, access: StorageSettings) -> Iterator[Mapping[str, Any]]:
    columns = ["photo_id", "status", SET_COLUMN, NAME_COLUMN, "scale", "scores", *READINGS]
    for table in open_run(root, access).rows(columns):
        yield from table.to_pylist()


def _score(row: Mapping[str, Any], name: str) -> float:
    value = (row["scores"] or {}).get(name)
    if row["status"] != Status.OK or value is None:
        have = ", ".join(sorted(row["scores"] or {})) or "none"
        raise EvaluationError(
            f"{row['photo_id']} has no {name} (scores: {have}); mend or leave out the photo, or weigh other scores"
        )
    return float(value)
