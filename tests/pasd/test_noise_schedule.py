"""The adjustable noise schedule: alpha_a from alphas_cumprod itself, and where sampling starts."""

import pytest
import torch

from pasd_batch.config.base import ConfigError
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.pasd.noise_schedule import AdjustableNoiseSchedule, noise_level, pure_noise_start

# Stable Diffusion 1.5's: scaled-linear betas.
ALPHAS_CUMPROD = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, dim=0)
LATENT, FIRST, SECOND = torch.randn(3, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def schedule(**settings):
    return AdjustableNoiseSchedule.from_settings(SamplingSettings(**settings), ALPHAS_CUMPROD)


@pytest.mark.parametrize("level", [0, 49, 50, 899, 900, 999])
@pytest.mark.parametrize("steps", [2, 20])
def test_level_is_looked_up_whether_or_not_it_is_a_timestep(level, steps):
    assert schedule(added_noise_level=level, steps=steps).alpha_a == pytest.approx(
        float(ALPHAS_CUMPROD[level]), rel=1e-6
    )


def test_the_default_level_is_900():
    assert schedule() == schedule(added_noise_level=900)


def test_alpha_a_is_taken_as_it_is():
    assert schedule(alpha_a=0.25).alpha_a == 0.25


def test_a_level_beyond_the_schedule():
    with pytest.raises(ValueError, match="added_noise_level 1000 is beyond the schedule's last timestep 999"):
        schedule(added_noise_level=1000)


@pytest.mark.parametrize("settings", [{"alpha_a": 1.1}, {"alpha_a": -0.1}, {"added_noise_level": -1}])
def test_impossible_settings(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        SamplingSettings.parse(settings)


def test_level_and_alpha_together():
    with pytest.raises(ConfigError, match="give one of them"):
        SamplingSettings.parse({"alpha_a": 0.5, "added_noise_level": 900})


@pytest.mark.parametrize("alpha_a", [0.0, 0.3, 1.0])
def test_start_has_the_amplitudes_of_the_paper(alpha_a):
    """z_N = sqrt(abar_a abar_N) z_LR + noise of variance 1 - abar_a abar_N, whatever the two draws share."""
    start = schedule(alpha_a=alpha_a).start(LATENT, FIRST, SECOND, timestep=999)
    at_end = float(ALPHAS_CUMPROD[999])
    photo = (alpha_a * at_end) ** 0.5
    first = (alpha_a * (1 - at_end)) ** 0.5
    second = (1 - alpha_a) ** 0.5
    torch.testing.assert_close(start, photo * LATENT + first * FIRST + second * SECOND)
    assert first**2 + second**2 == pytest.approx(1 - alpha_a * at_end)


def test_alpha_one_adds_nothing_and_alpha_zero_leaves_nothing():
    once = schedule(alpha_a=1.0).start(LATENT, FIRST, SECOND, timestep=500)
    assert torch.equal(once, schedule(alpha_a=1.0).start(LATENT, FIRST, 0 * SECOND, timestep=500))
    assert torch.equal(schedule(alpha_a=0.0).start(LATENT, FIRST, SECOND, timestep=500), SECOND)


def test_the_default_leaves_the_published_amplitude_of_the_photo():
    start = schedule().start(torch.ones_like(LATENT), 0 * FIRST, 0 * SECOND, timestep=999)
    assert float(start.mean()) == pytest.approx(0.0081, abs=1e-4)


def test_pure_noise_with_an_offset_per_channel():
    offset = torch.arange(4.0).reshape(1, 4, 1, 1)
    start = pure_noise_start(FIRST, offset, offset_noise_scale=0.1)
    torch.testing.assert_close(start - FIRST, (0.1 * offset).expand_as(FIRST))
    assert torch.equal(pure_noise_start(FIRST, offset, offset_noise_scale=0.0), FIRST)


def test_noise_levels_are_noise_over_signal():
    """Stable Diffusion's range is published as 0.0292 to 14.6146."""
    assert noise_level(ALPHAS_CUMPROD, 0.0) == pytest.approx(0.0292, abs=1e-4)
    assert noise_level(ALPHAS_CUMPROD, 999.0) == pytest.approx(14.6146, abs=1e-3)
    assert noise_level(ALPHAS_CUMPROD, 500.4) == noise_level(ALPHAS_CUMPROD, 500.0)
