"""A sample's random numbers: the published generator, distributions, and independence of everything else."""

import pytest
import torch

from pasd_batch.training.objectives.sample_draws import SampleDraws, philox

PI = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)


def draws_of(seed, numbers):
    return SampleDraws(seed, torch.tensor(list(numbers)))


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (PI, (0xA4093822, 0x299F31D0), (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
    ],
)
def test_words_are_those_of_the_published_test_vectors(counter, key, expected):
    """Random123's kat_vectors for philox4x32-10."""
    words = philox(tuple(torch.tensor([word]) for word in counter), key)
    assert tuple(int(word) for word in words) == expected


def test_a_samples_numbers_do_not_depend_on_its_batch():
    together = draws_of(0, [4, 5, 2**40])
    apart = draws_of(0, [2**40])
    assert torch.equal(together.normal((2, 3))[2], apart.normal((2, 3))[0])
    assert together.integers(1000)[2] == apart.integers(1000)[0]
    assert together.fractions()[2] == apart.fractions()[0]


def test_seeds_samples_and_draws_differ():
    draws = draws_of(0, [0, 1, 2**32])
    planes = [*draws.normal((64,)), *draws.normal((64,)), *draws_of(1, [0]).normal((64,))]
    planes.extend(draws_of(2**32, [0]).normal((64,)))
    assert len({tuple(plane.tolist()) for plane in planes}) == len(planes)


def test_normal_draws_are_normal_and_uncorrelated():
    values = draws_of(3, range(64)).normal((4, 32, 32)).double()
    assert values.shape == (64, 4, 32, 32)
    flat = values.flatten()
    assert float(flat.mean()) == pytest.approx(0.0, abs=0.01)
    assert float(flat.std()) == pytest.approx(1.0, abs=0.01)
    assert float((flat**4).mean()) == pytest.approx(3.0, abs=0.1)
    assert float((flat.abs() > 3.0).double().mean()) == pytest.approx(0.0027, abs=0.0005)
    for shifted in (values.roll(1, 0), values.roll(1, 1), values.roll(1, 3)):
        assert abs(float((values * shifted).mean())) < 0.01


def test_integers_and_fractions_are_uniform():
    draws = draws_of(3, range(20_000))
    counts = draws.integers(10).bincount(minlength=10)
    assert counts.shape == (10,)
    assert int(counts.min()) > 1800
    fractions = draws.fractions()
    assert 0.0 <= float(fractions.min()) < 0.001
    assert 0.999 < float(fractions.max()) < 1.0
    assert float(fractions.mean()) == pytest.approx(0.5, abs=0.01)
