"""Kernel distance of two sets of features: KID where the features are Inception's.

Binkowski et al., Demystifying MMD GANs, 2018: the unbiased squared maximum mean discrepancy with a cubic kernel, as a
mean over random subsets.
"""

from dataclasses import dataclass, field

import numpy as np

SUBSETS = 100
SUBSET_SIZE = 1000
_SEED = 2020
"""Number, size and seed of the subsets are those of torch-fidelity."""


@dataclass
class KernelDistance:
    """KID; see `SetMetric`.

    Keeps the features themselves (8 KiB of each picture). With up to 1,000 photos there is one subset, all of them;
    with more, subsets are drawn by the photos' places, so they must be added in the photos' order.
    """

    results: list[np.ndarray] = field(default_factory=list)
    truths: list[np.ndarray] = field(default_factory=list)

    def update(self, results: np.ndarray, truths: np.ndarray) -> None:
        """See `SetMetric`."""
        self.results.append(np.asarray(results, np.float32))
        self.truths.append(np.asarray(truths, np.float32))

    def value(self) -> float | None:
        """See `SetMetric`; takes two photos."""
        if sum(map(len, self.results)) < 2 or sum(map(len, self.truths)) < 2:
            return None
        results, truths = (np.concatenate(parts).astype(np.float64) for parts in (self.results, self.truths))
        size = min(SUBSET_SIZE, len(results), len(truths))
        if size == len(results) == len(truths):
            return squared_discrepancy(results, truths)
        drawn = np.random.RandomState(_SEED)
        found = []
        for _ in range(SUBSETS):
            chosen = (part[drawn.choice(len(part), size, replace=False)] for part in (results, truths))
            found.append(squared_discrepancy(*chosen))
        return float(np.mean(found))


def squared_discrepancy(first: np.ndarray, second: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy of two equally large sets of features (photos, dimensions)."""
    photos, dimensions = first.shape
    within = sum(
        kernel.sum() - np.trace(kernel)
        for kernel in ((part @ part.T / dimensions + 1.0) ** 3 for part in (first, second))
    )
    across = ((first @ second.T / dimensions + 1.0) ** 3).sum()
    return float(within / (photos * (photos - 1)) - 2.0 * across / photos**2)
