"""Fitting a map of adaptation to a sweep: intervals of readings and classes that make the objective largest.

Variants are put in order from those that are best for mild photos to those for severe ones. For given intervals of the
readings, and so severities, the best classes in that order are found exactly, by dynamic programming over rounded
severities; the intervals by trying, one reading after the other, until none gets better. So a map never turns back as a
reading rises, and has few numbers to fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pasd_batch.config.adaptation import AdaptationMap, ScaleMap, SeverityClass
from pasd_batch.evaluation.sweep import READINGS, Sweep

_LEVELS = 20
"""Steps of severity at which classes may begin."""

_QUANTILES = (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98)
"""Of a reading over the photos: where its interval may begin and end."""

_LEAST_SHARE = 0.02
"""Share of the photos that a class has at least, so that none rests on a few."""

_LEAST_GAIN = 1e-9

Interval = tuple[float, float] | None


def fit_map(sweep: Sweep, *, losses: float = 1.0) -> AdaptationMap:
    """The map for these photos, with a part for each scale that they have.

    What a photo loses against the mildest variant counts `losses` times as much as what it gains.
    """
    scales = np.array([photo.scale for photo in sweep.photos])
    every = sorted(set(scales.tolist()))
    ends = [float(np.sqrt(first * second)) for first, second in pairwise(every)]
    parts = [
        _fit_scale(sweep.part(scales == scale), end, losses) for scale, end in zip(every, [*ends, None], strict=True)
    ]
    return AdaptationMap(scales=tuple(parts))


def chosen_variants(fitted: AdaptationMap, sweep: Sweep) -> np.ndarray:
    """Number of the variant that a map of this sweep's settings chooses for each photo, (photos,)."""
    known = [dict(settings) for settings in sweep.settings]
    return np.array([known.index(dict(fitted.at(photo, scale=photo.scale).settings)) for photo in sweep.photos])


@dataclass(frozen=True)
class _Classes:
    """Best classes for given severities."""

    total: float
    """Sum of the objective over the photos."""
    begins: tuple[tuple[int, int], ...]
    """Level at which each class begins, and its variant's number, in order."""


def _fit_scale(sweep: Sweep, end: float | None, losses: float) -> ScaleMap:
    readings = {name: _known([getattr(photo, name) for photo in sweep.photos]) for name in READINGS}
    order = _from_mild_to_severe(sweep.objective)
    gains = sweep.objective - sweep.objective[:, order[:1]]
    worth = gains + (losses - 1.0) * gains.clip(max=0.0)
    intervals: dict[str, Interval] = dict.fromkeys(READINGS)
    best = _classes(_severity(readings, intervals), worth, order)
    improved = True
    while improved:
        improved = False
        for name in READINGS:
            for interval in _candidates(readings[name]):
                tried = {**intervals, name: interval}
                found = _classes(_severity(readings, tried), worth, order)
                if found.total > best.total + _LEAST_GAIN * len(sweep.photos):
                    intervals, best, improved = tried, found, True
    classes = tuple(
        SeverityClass.parse({"severity": level / _LEVELS, **sweep.settings[variant]}) for level, variant in best.begins
    )
    return ScaleMap(up_to_scale=end, classes=classes, **intervals)


def _known(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _candidates(reading: np.ndarray) -> list[Interval]:
    if not np.isfinite(reading).any():
        return [None]
    ends = sorted({float(f"{value:.2g}") for value in np.nanquantile(reading, _QUANTILES)})
    return [None, *((low, high) for low in ends for high in ends if low < high)]


def _severity(readings: dict[str, np.ndarray], intervals: dict[str, Interval]) -> np.ndarray:
    """As `ScaleMap.severity`, of all photos."""
    sound = np.ones(len(next(iter(readings.values()))))
    for name, interval in intervals.items():
        if interval is not None:
            count = (readings[name] - interval[0]) / (interval[1] - interval[0])
            sound *= 1.0 - np.nan_to_num(count, nan=0.0).clip(0.0, 1.0)
    return 1.0 - sound


def _from_mild_to_severe(objective: np.ndarray) -> list[int]:
    """Variants in the order in which they gain from damage, which is how bad a photo is with all of them."""
    damage = objective.mean() - objective.mean(axis=1)
    gains = (damage[:, None] * (objective - objective.mean(axis=1, keepdims=True))).mean(axis=0)
    return [int(variant) for variant in np.argsort(gains, kind="stable")]


def _classes(severity: np.ndarray, objective: np.ndarray, order: Sequence[int]) -> _Classes:
    """Exact best classes, each variant at most once and in order, each with enough photos."""
    levels = np.floor(severity * _LEVELS + 1e-9).astype(int)
    columns = [np.bincount(levels + 1, each, minlength=_LEVELS + 2) for each in (np.ones(len(levels)), *objective.T)]
    counted, *before = (column.cumsum() for column in columns)  # below each level
    enough = counted[None, :] - counted[:, None] >= max(1.0, _LEAST_SHARE * len(objective))
    # best[level]: of the photos below it, with the variants so far; ways[level]: the classes that give it.
    best = np.full(_LEVELS + 2, -np.inf)
    best[0] = 0.0
    ways: list[tuple[tuple[int, int], ...]] = [() for _ in best]
    for variant in order:
        gain = np.where(enough, before[variant][None, :] - before[variant][:, None], -np.inf) + best[:, None]
        begin = gain.argmax(axis=0)
        reached = gain[begin, np.arange(len(best))]
        better = reached > best
        ways = [
            (*ways[start], (int(start), variant)) if wins else way
            for start, wins, way in zip(begin, better, ways, strict=True)
        ]
        best = np.where(better, reached, best)
    return _Classes(float(best[-1]), ways[-1])
