"""Random numbers come from one generator, reproducibly and within their intervals."""

import torch

from pasd_batch.degradation.draws import Draws, GeneratorNoise


def make_draws(seed: int = 0) -> Draws:
    return Draws(torch.Generator().manual_seed(seed))


def test_same_seed_same_numbers_and_other_seed_others() -> None:
    first, second, other = make_draws(1), make_draws(1), make_draws(2)
    numbers = [first.random() for _ in range(300)]
    assert numbers == [second.random() for _ in range(300)]
    assert numbers != [other.random() for _ in range(300)]


def test_uniform_and_skewed_stay_within_their_interval() -> None:
    draws = make_draws()
    uniform = [draws.uniform((-2.0, 3.0)) for _ in range(2000)]
    skewed = [draws.skewed((-2.0, 3.0)) for _ in range(2000)]
    for numbers in (uniform, skewed):
        assert -2.0 <= min(numbers) < -1.9
        assert 2.9 < max(numbers) <= 3.0
    assert abs(sum(uniform) / 2000 - 0.5) < 0.1
    assert sum(skewed) / 2000 < 0.0


def test_flag_never_at_zero_and_always_at_one() -> None:
    draws = make_draws()
    assert not any(draws.bernoulli(0.0) for _ in range(500))
    assert all(draws.bernoulli(1.0) for _ in range(500))


def test_weighted_follows_the_weights_and_skips_zero() -> None:
    draws = make_draws()
    counts = {"often": 0, "never": 0, "seldom": 0}
    for _ in range(4000):
        counts[draws.choice({"often": 3.0, "never": 0.0, "seldom": 1.0})] += 1
    assert counts["never"] == 0
    assert abs(counts["often"] / 4000 - 0.75) < 0.03


def test_index_reaches_every_value() -> None:
    draws = make_draws()
    assert {draws.integer(5) for _ in range(300)} == {0, 1, 2, 3, 4}


def test_noise_is_reproducible() -> None:
    sources = [GeneratorNoise(torch.Generator().manual_seed(7), device=torch.device("cpu")) for _ in range(2)]
    rates = torch.full((4, 4), 30.0)
    assert torch.equal(sources[0].normal((2, 3)), sources[1].normal((2, 3)))
    assert torch.equal(sources[0].poisson(rates), sources[1].poisson(rates))
