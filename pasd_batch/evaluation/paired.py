"""Paired differences of scores: their mean, its interval, and the share of photos that won."""

import warnings
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 2000
MOST_RESAMPLED = 10_000
"""With more photos the interval is that of the normal distribution, which the bootstrap's then is, too."""

_SEED = 0
_NORMAL_QUANTILE = 1.959963984540054


@dataclass(frozen=True)
class PairedDifference:
    """Difference of a score, second less first, over the photos that have both."""

    photos: int
    first: float
    """Mean of the first."""
    second: float
    mean: float
    """Mean of the differences."""
    low: float
    high: float
    """The 95 % interval of that mean: percentile bootstrap over photos (Efron 1979), with a fixed seed."""
    won: float
    """Share of the photos that are better in the second; those that are equal count as half."""


def paired_difference(first: np.ndarray, second: np.ndarray, *, higher_is_better: bool) -> PairedDifference | None:
    """Compare two scores of the same photos, arrays of shape (photos,), NaN where there is none.

    None where no photo has both.
    """
    both = np.isfinite(first) & np.isfinite(second)
    if not both.any():
        return None
    first, second = first[both].astype(np.float64), second[both].astype(np.float64)
    change = second - first
    low, high = mean_interval(change)
    better = change > 0 if higher_is_better else change < 0
    return PairedDifference(
        photos=int(change.size),
        first=float(first.mean()),
        second=float(second.mean()),
        mean=float(change.mean()),
        low=low,
        high=high,
        won=float(better.mean() + (change == 0).mean() / 2),
    )


def mean_interval(change: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a mean over photos, values of shape (photos,); of one photo it is all numbers."""
    mean = float(change.mean())
    if change.size == 1 or np.ptp(change) == 0:
        # One photo says nothing of how photos differ, and equal ones differ in nothing.
        return (mean, mean) if change.size > 1 else (float("-inf"), float("inf"))
    if change.size > MOST_RESAMPLED:
        half = _NORMAL_QUANTILE * float(change.std(ddof=1)) / change.size**0.5
        return mean - half, mean + half
    from scipy.stats import bootstrap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns of resamples that are all alike, as those of few photos may be
        found = bootstrap(
            (change,),
            np.mean,
            n_resamples=RESAMPLES,
            batch=100,
            vectorized=True,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=np.random.default_rng(_SEED),
        ).confidence_interval
    return float(found.low), float(found.high)
