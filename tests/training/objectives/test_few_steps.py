"""Sampling inside a training step, against the samplers that restoring uses."""

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

from pasd_batch.config.losses import PredictionType
from pasd_batch.pasd.noise_schedule import AdjustableNoiseSchedule
from pasd_batch.pasd.schedulers import build_scheduler
from pasd_batch.pasd.untrained import SCHEDULER_CONFIG
from pasd_batch.training.objectives.few_steps import (
    SPACING,
    draw_alpha_a,
    sampled_latents,
    sampling_start,
    trailing_timesteps,
)

CONFIG = {**SCHEDULER_CONFIG, "timestep_spacing": SPACING}


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("name", ["UniPCMultistepScheduler", "DDIMScheduler"])
def test_timesteps_are_those_that_samplers_visit(name, steps):
    assert list(trailing_timesteps(1000, steps)) == build_scheduler(name, CONFIG, steps).timesteps.tolist()


@pytest.mark.parametrize("kind", list(PredictionType))
@pytest.mark.parametrize("steps", [1, 4])
def test_latents_are_those_of_ddim(kind, steps):
    settings = {**CONFIG, "prediction_type": kind.value, "clip_sample": False, "set_alpha_to_one": True}
    scheduler = DDIMScheduler.from_config(settings)
    scheduler.set_timesteps(steps)
    start = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(0))

    def denoise(noisy, timesteps):
        return torch.tanh(noisy + timesteps.view(-1, 1, 1, 1) / 1000.0)

    expected = start
    for timestep in scheduler.timesteps:
        expected = scheduler.step(denoise(expected, timestep.expand(2)), timestep, expected).prev_sample
    found = sampled_latents(denoise, start, trailing_timesteps(1000, steps), scheduler.alphas_cumprod, kind)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4), float((found - expected).abs().max())


def test_only_the_last_prediction_carries_gradients():
    weight = torch.ones((), requires_grad=True)
    tracked = []

    def denoise(noisy, timesteps):
        prediction = weight * noisy
        tracked.append(prediction.requires_grad)
        return prediction

    alphas = torch.linspace(0.99, 0.01, 100)
    sampled_latents(denoise, torch.ones(1, 1, 2, 2), (99, 49, 24), alphas, PredictionType.V_PREDICTION)
    assert tracked == [False, False, True]


def test_the_start_is_that_of_restoring():
    generator = torch.Generator().manual_seed(1)
    latents, first, second = (torch.randn(3, 4, 2, 2, generator=generator) for _ in range(3))
    alphas, levels = torch.linspace(0.99, 0.01, 100), torch.tensor([0.0, 0.3, 1.0])
    found = sampling_start(latents, levels, (first, second), torch.full((3,), 99), alphas)
    for number, level in enumerate(levels.tolist()):
        one = slice(number, number + 1)
        expected = AdjustableNoiseSchedule(alphas, level).start(latents[one], first[one], second[one], timestep=99)
        assert torch.allclose(found[one], expected, atol=1e-6)


def test_levels_are_zero_for_their_share_and_uniform_beyond():
    fractions = torch.arange(1000) / 1000.0
    levels = draw_alpha_a(fractions, 0.5)
    assert int((levels == 0.0).sum()) == 501
    assert float(levels.max()) == pytest.approx(0.998)
    assert float(levels[levels > 0].mean()) == pytest.approx(0.5, abs=0.01)
    assert not draw_alpha_a(fractions, 1.0).any()
    assert torch.equal(draw_alpha_a(fractions, 0.0), fractions)
