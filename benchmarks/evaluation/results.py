"""What a measurement leaves behind: JSON with every photo's values, and Markdown."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.machine import hardware, versions
from evaluation.measuring import Measurement
from evaluation.tables import scores_of
from pasd_batch.evaluation.scores import MethodScores


def write_json(path: Path, parts: dict[str, Any], options: argparse.Namespace) -> None:
    """Write results together with the options, versions and hardware that they were made with.

    Only the names of folders are recorded, not where they lie.
    """
    given = {name: _plain(value) for name, value in vars(options).items()}
    document = {"options": given, "versions": versions(), "hardware": hardware(), **parts}
    path.write_text(json.dumps(document, indent=1) + "\n")


def as_json(measurements: Sequence[Measurement]) -> dict[str, Any]:
    """Measurements of one test set: its settings, every photo's seed and values, the means."""
    photo_set = measurements[0].sample.photo_set
    return {
        "title": photo_set.title,
        "scale": photo_set.scale,
        "degradation": photo_set.degradation.model_dump(mode="json"),
        "means": {scores.method: _means(scores) for scores in scores_of(measurements)},
        "photos": [_photo(measurement) for measurement in measurements],
    }


def _means(scores: MethodScores) -> dict[str, Any]:
    found: dict[str, Any] = {
        "seconds": None if not scores.seconds else {"mean": sum(scores.seconds) / len(scores.seconds)}
    }
    for name in scores.values:
        mean, (low, high) = scores.mean(name), scores.interval(name) or (None, None)
        found[name] = None if mean is None else {"mean": mean, "low": low, "high": high}
    return found


def _photo(measurement: Measurement) -> dict[str, Any]:
    sample = measurement.sample
    return {
        "photo": sample.photo,
        "method": measurement.method,
        "method_key": measurement.method_key,
        "seed": sample.seed,
        "degraded": str(sample.degraded_size),
        "original": str(sample.original_size),
        "pixels": sample.pixels,
        "seconds": measurement.seconds,
        "hardware": measurement.hardware,
        "scores": measurement.scores,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
