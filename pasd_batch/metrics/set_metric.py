"""Metrics of a whole set of results beside the true photos, from features of each picture.

Features come photo by photo, in parts of the set.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pasd_batch.metrics.frechet_distance import FrechetDistance
from pasd_batch.metrics.kernel_distance import KernelDistance


class SetMetric(Protocol):
    """Gathers what a set's value needs."""

    def update(self, results: np.ndarray, truths: np.ndarray) -> None:
        """Add photos by the features of their results and of the true ones, each (photos, dimensions)."""
        ...

    def value(self) -> float | None:
        """The value of all that was gathered; None where these are too few photos."""
        ...


@dataclass(frozen=True)
class SetMetricMeaning:
    """Meaning of a set metric, for tables; of all of them lower is better."""

    title: str
    meaning: str


SET_METRICS: dict[str, SetMetricMeaning] = {
    "fid": SetMetricMeaning(
        "FID",
        "Fréchet distance of the results' Inception features, as a whole, from those of the true photos; from 0 up, "
        "and larger for fewer photos",
    ),
    "kid": SetMetricMeaning(
        "KID",
        "Kernel distance of the same features, which does not depend on the number of photos; about 0 to 1, may be "
        "just below 0",
    ),
}
"""By name."""


def build_set_metric(name: str) -> SetMetric:
    """An empty one.

    Raises:
        ValueError: no set metric has this name.
    """
    match name:
        case "fid":
            return FrechetDistance()
        case "kid":
            return KernelDistance()
        case _:
            raise ValueError(f"set metric {name!r} is not known here; known are {', '.join(SET_METRICS)}")
