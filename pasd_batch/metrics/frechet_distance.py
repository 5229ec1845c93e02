"""Fréchet distance of two sets of features, as of two normal distributions: FID where the features are Inception's.

Heusel et al., GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, 2017.
"""

from dataclasses import dataclass, field

import numpy as np

_STEPS = 2.0**16
"""Features are rounded to multiples of 1 / 65,536, far below what moves a distance, so that all sums are exact."""


@dataclass
class Moments:
    """Number, sum and sum of products of features, in float64.

    Rounded features have products that are multiples of 2^-32, whose sums float64 holds exactly up to 2^21: until a
    feature's squares add up to two million, which takes millions of photos. So far sums do not depend on the order in
    which photos were added, to the last bit; beyond it they do in the last digits.
    """

    photos: int = 0
    total: np.ndarray = field(default_factory=lambda: np.zeros(0))
    products: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    def update(self, features: np.ndarray) -> None:
        """Add features (photos, dimensions).

        Raises:
            ValueError: they have another number of dimensions than those before.
        """
        rounded = np.round(np.asarray(features, np.float64) * _STEPS) / _STEPS
        total, products = rounded.sum(axis=0), rounded.T @ rounded
        if not self.photos:
            self.total, self.products = np.zeros_like(total), np.zeros_like(products)
        if self.total.shape != total.shape:
            raise ValueError(f"features of {self.total.size} and of {total.size} dimensions cannot be added up")
        self.photos += len(rounded)
        self.total += total
        self.products += products

    @property
    def mean(self) -> np.ndarray:
        """Mean features (dimensions)."""
        return self.total / self.photos

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased covariance (dimensions, dimensions); takes two photos."""
        return (self.products - np.outer(self.total, self.mean)) / (self.photos - 1)


@dataclass
class FrechetDistance:
    """FID from the moments of results and true photos; see `SetMetric`."""

    results: Moments = field(default_factory=Moments)
    truths: Moments = field(default_factory=Moments)

    def update(self, results: np.ndarray, truths: np.ndarray) -> None:
        """See `SetMetric`."""
        self.results.update(results)
        self.truths.update(truths)

    def value(self) -> float | None:
        """See `SetMetric`; takes two photos."""
        if min(self.results.photos, self.truths.photos) < 2:
            return None
        return frechet_distance(self.results.mean, self.results.covariance, self.truths.mean, self.truths.covariance)


def frechet_distance(
    mean: np.ndarray, covariance: np.ndarray, other_mean: np.ndarray, other_covariance: np.ndarray
) -> float:
    """|m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)).

    The root's trace is that of (R C' R)^(1/2) with R = C^(1/2), which is symmetric, so that no complex numbers and no
    offset on the diagonal are needed where there are fewer photos than dimensions.
    """
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    product = root @ other_covariance @ root
    shared = np.sqrt(np.clip(np.linalg.eigvalsh((product + product.T) / 2), 0.0, None)).sum()
    difference = mean - other_mean
    distance = difference @ difference + np.trace(covariance) + np.trace(other_covariance) - 2.0 * shared
    return max(0.0, float(distance))  # rounding may leave it just below
