"""Time that a run takes, from photos that were drawn by size and measured, with the interval that they leave."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class TimeEstimate:
    """Seconds of all workers together; `low` and `high` bound it with a confidence of 95 %, None where one photo stands
    for others."""

    seconds: float
    low: float | None = None
    high: float | None = None


def time_of_all(
    seconds: Sequence[float], sizes: Sequence[float], certain: Sequence[bool], *, rest: float
) -> TimeEstimate:
    """Estimate the time of a manifest from photos that took `seconds`.

    Those which are `certain` to be drawn stand for themselves. The others were drawn in proportion to their `sizes`, so
    that the mean of their time a size is an unbiased estimate of that of all others, whose size is `rest` (Hansen and
    Hurwitz, 1943); the interval is Student's, and wider than need be where they are many of these.
    """
    from scipy.stats import t

    known = math.fsum(taken for taken, sure in zip(seconds, certain, strict=True) if sure)
    paces = [taken / size for taken, size, sure in zip(seconds, sizes, certain, strict=True) if not sure]
    count = len(paces)
    if not count:
        return TimeEstimate(known, known, known)
    mean = math.fsum(paces) / count
    if count < 2:
        return TimeEstimate(known + mean * rest)
    deviation = math.sqrt(math.fsum((pace - mean) ** 2 for pace in paces) / (count - 1))
    half = float(t.ppf(0.5 + CONFIDENCE / 2, count - 1)) * deviation / math.sqrt(count)
    return TimeEstimate(known + mean * rest, known + max(0.0, mean - half) * rest, known + (mean + half) * rest)
