"""Means with the uncertainty that comes from which photos happened to be measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_RESAMPLES = 10_000
_COVERAGE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean and its bootstrap 95% interval."""

    mean: float
    low: float
    high: float


def bootstrap(values: Sequence[float], *, seed: int = 0) -> Interval:
    """Mean of values and the percentile interval of the means of as many values drawn from them with replacement.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("an interval needs at least one value")
    numbers = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(len(numbers), size=(_RESAMPLES, len(numbers)))
    tail = (1 - _COVERAGE) / 2
    low, high = np.quantile(numbers[drawn].mean(axis=1), [tail, 1 - tail])
    return Interval(float(numbers.mean()), float(low), float(high))
