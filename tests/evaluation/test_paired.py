import numpy as np
import pytest

from pasd_batch.evaluation.paired import MOST_RESAMPLED, paired_difference


def test_means_and_shares_are_of_photos_that_have_both():
    first, second = np.array([1.0, 2.0, np.nan, 4.0]), np.array([2.0, 2.0, 9.0, 3.0])
    found = paired_difference(first, second, higher_is_better=True)
    assert found is not None
    assert (found.photos, found.mean, found.won) == (3, 0.0, 0.5)
    lower = paired_difference(first, second + 0.5, higher_is_better=False)
    assert lower is not None
    assert lower.won == pytest.approx(1 / 3)
    assert paired_difference(np.array([np.nan]), np.array([1.0]), higher_is_better=True) is None


def test_equal_scores_differ_in_nothing():
    scores = np.random.default_rng(0).normal(size=50)
    found = paired_difference(scores, scores.copy(), higher_is_better=True)
    assert found is not None
    assert (found.mean, found.low, found.high, found.won) == (0.0, 0.0, 0.0, 0.5)


def test_one_photo_tells_nothing_of_others():
    found = paired_difference(np.array([1.0]), np.array([3.0]), higher_is_better=True)
    assert found is not None
    assert (found.low, found.high) == (-np.inf, np.inf)


def test_the_interval_covers_the_true_difference_at_its_rate():
    """Skewed differences, mean 0.3, 40 photos, 300 times: some 93 % are expected of a percentile bootstrap."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        first = rng.normal(size=40)
        found = paired_difference(first, first + rng.exponential(0.3, 40), higher_is_better=True)
        assert found is not None
        covered += found.low <= 0.3 <= found.high
    assert 0.88 <= covered / 300 <= 0.98


def test_many_photos_have_the_same_interval_without_resampling():
    rng = np.random.default_rng(2)
    first = rng.normal(size=MOST_RESAMPLED + 1)
    second = first + rng.normal(0.1, 1, first.size)
    exact, resampled = (paired_difference(first[:n], second[:n], higher_is_better=True) for n in (None, MOST_RESAMPLED))
    assert exact is not None
    assert resampled is not None
    assert exact.low == pytest.approx(resampled.low, abs=0.002)
    assert exact.high == pytest.approx(resampled.high, abs=0.002)
