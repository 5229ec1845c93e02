"""The grid of the model's latents as scores against the true photo, beside pyiqa's metrics."""

from dataclasses import dataclass

import numpy as np

from pasd_batch.metrics.periodic_pattern import MIN_SIDE, periodic_pattern

GRID_SCORES = {"grid_flat": "flat", "grid_edges": "edges"}
"""Fields of `PeriodicPattern` that are scores, by their names."""


@dataclass(frozen=True)
class GridMetric:
    """One of the two ratios of `periodic_pattern`; has what a `Metric` of pyiqa has."""

    name: str
    higher_is_better: bool = False
    min_side: int = MIN_SIDE

    def __call__(self, *photos: np.ndarray) -> float:
        """The score of a result and the true photo; float (height, width, 3), sRGB in [0, 1], of the same size."""
        result, truth = photos
        pattern = periodic_pattern(truth, result)
        assert pattern is not None, f"{truth.shape[1]} x {truth.shape[0]} pixels is below {MIN_SIDE}"
        return getattr(pattern, GRID_SCORES[self.name])
