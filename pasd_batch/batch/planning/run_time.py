"""Time that a run takes, from photos that were drawn by size and measured, with the interval that they leave."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class TimeEstimate:
    """Seconds of all workers together; `low` and `high` bound it with a confidence of 95 %, None from one photo."""

    seconds: float
    low: float | None = None
    high: float | None = None


def time_of_all(seconds: Sequence[float], sizes: Sequence[float], total: float) -> TimeEstimate:
    """Estimate the time of a manifest whose photos have `total` size.

    Photos were drawn in proportion to their `sizes` and took `seconds`, so that the mean of their time a size is an
    unbiased estimate of that of all (Hansen and Hurwitz, 1943); the interval is Student's.
    """
    from scipy.stats import t

    count = len(seconds)
    paces = [taken / size for taken, size in zip(seconds, sizes, strict=True)]
    mean = math.fsum(paces) / count
    if count < 2:
        return TimeEstimate(mean * total)
    deviation = math.sqrt(math.fsum((pace - mean) ** 2 for pace in paces) / (count - 1))
    half = float(t.ppf(0.5 + CONFIDENCE / 2, count - 1)) * deviation / math.sqrt(count)
    return TimeEstimate(mean * total, max(0.0, mean - half) * total, (mean + half) * total)
