"""FID and KID: the same as their formulas and as pyiqa's own numbers, and the same whatever the parts of the set."""

import numpy as np
import pytest
from pyiqa.archs import fid_arch
from scipy.linalg import sqrtm

from pasd_batch.metrics.frechet_distance import FrechetDistance, Moments, frechet_distance
from pasd_batch.metrics.kernel_distance import KernelDistance, squared_discrepancy
from pasd_batch.metrics.set_metric import SET_METRICS, build_set_metric


def features(photos, dimensions=24, *, seed=0, shift=0.0):
    """Positive features that depend on one another, as a network's are."""
    drawn = np.random.default_rng(seed)
    mixed = drawn.normal(size=(photos, dimensions)) @ drawn.normal(size=(dimensions, dimensions)) / 4
    return np.abs(mixed + shift).astype(np.float32)


def gathered(name, results, truths, *, parts):
    """The metric of the whole, gathered in so many parts."""
    metric = build_set_metric(name)
    for part in np.array_split(np.arange(len(results)), parts):
        metric.update(results[part], truths[part])
    return metric


def closed_formula(results, truths):
    one, other = (np.cov(part.astype(np.float64), rowvar=False) for part in (results, truths))
    difference = results.mean(axis=0, dtype=np.float64) - truths.mean(axis=0, dtype=np.float64)
    return float(difference @ difference + np.trace(one + other - 2 * np.real(sqrtm(one @ other))))


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_fid_equals_the_closed_formula_however_the_set_is_cut(parts):
    results, truths = features(200), features(200, seed=1, shift=0.3)
    found = gathered("fid", results, truths, parts=parts).value()
    # The difference is the rounding of features to 1 / 65,536.
    assert found == pytest.approx(closed_formula(results, truths), rel=1e-5)
    assert found == gathered("fid", results, truths, parts=1).value()


def test_fid_of_rounded_features_is_the_closed_formula():
    results, truths = (np.round(part * 2**16) / 2**16 for part in (features(200), features(200, seed=1, shift=0.3)))
    assert gathered("fid", results, truths, parts=3).value() == pytest.approx(closed_formula(results, truths), rel=1e-9)


def test_sums_are_the_same_to_the_last_bit_in_any_order():
    every = features(300, 64)
    whole, other = Moments(), Moments()
    whole.update(every)
    for photo in np.random.default_rng(0).permutation(300):
        other.update(every[photo : photo + 1])
    assert whole.photos == other.photos == 300
    assert np.array_equal(whole.total, other.total)
    assert np.array_equal(whole.products, other.products)


def test_fid_of_fewer_photos_than_dimensions_needs_no_offset():
    results, truths = features(10, 64), features(12, 64, seed=1)
    one, other = (np.cov(part.astype(np.float64), rowvar=False) for part in (results, truths))
    # The root's trace is the sum of singular values of the product of both sets' centred features (Mathiasen 2020).
    centred = [(part - part.mean(axis=0)).astype(np.float64) for part in (results, truths)]
    shared = np.linalg.svd(centred[0] @ centred[1].T / np.sqrt(9 * 11), compute_uv=False).sum()
    means = results.mean(axis=0, dtype=np.float64), truths.mean(axis=0, dtype=np.float64)
    expected = ((means[0] - means[1]) ** 2).sum() + np.trace(one + other) - 2 * shared
    assert frechet_distance(means[0], one, means[1], other) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("name", "share"), [("fid", 0.5), ("kid", 0.05)])
def test_halves_of_a_set_are_near_each_other(name, share):
    every = features(400)
    near = gathered(name, every[:200], every[200:], parts=2).value()
    far = gathered(name, every[:200], features(200, seed=1, shift=0.3), parts=2).value()
    assert abs(near) < share * far


def test_a_set_is_at_no_fid_from_itself():
    assert gathered("fid", features(50), features(50), parts=2).value() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("name", SET_METRICS)
def test_there_is_no_value_of_one_photo(name):
    assert build_set_metric(name).value() is None
    assert gathered(name, features(1), features(1), parts=1).value() is None


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_kid_of_small_sets_is_pyiqas(parts):
    results, truths = features(40), features(40, seed=1, shift=0.3)
    theirs = fid_arch.mmd_polynomial_kernel(*(part.astype(np.float64) for part in (results, truths)), num_subsets=1)
    assert gathered("kid", results, truths, parts=parts).value() == pytest.approx(theirs, rel=1e-9)


def test_kid_of_large_sets_is_a_mean_over_subsets_that_do_not_depend_on_the_parts(monkeypatch):
    monkeypatch.setattr("pasd_batch.metrics.kernel_distance.SUBSET_SIZE", 30)
    results, truths = features(100), features(100, seed=1, shift=0.3)
    found = gathered("kid", results, truths, parts=1).value()
    assert found == gathered("kid", results, truths, parts=7).value()
    assert found == pytest.approx(squared_discrepancy(results.astype(float), truths.astype(float)), rel=0.15)


def test_features_of_two_networks_are_not_added_up():
    metric = FrechetDistance()
    metric.update(features(2, 8), features(2, 8))
    with pytest.raises(ValueError, match="8 and of 9 dimensions"):
        metric.update(features(2, 9), features(2, 9))


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="'fud' is not known here; known are fid, kid"):
        build_set_metric("fud")
    assert isinstance(build_set_metric("kid"), KernelDistance)
