"""Schedulers and their options, as the few-step LoRAs of communities ask for them."""

import pytest
import torch
from sampled_photos import photo

from pasd_batch.config.scheduler import SchedulerOptions
from pasd_batch.pasd.sampling import denoise
from pasd_batch.pasd.schedulers import build_scheduler
from pasd_batch.pasd.untrained import SCHEDULER_CONFIG


def timesteps(name, steps, **options):
    return build_scheduler(name, SCHEDULER_CONFIG, steps, SchedulerOptions(**options)).timesteps.tolist()


def predict(batch, timestep):
    """Stands in for the networks."""
    return batch.latents.sin() + 1e-3 * timestep


def sampled(name, seed=1, *, eta=None, steps=3):
    options = SchedulerOptions(eta=eta)
    given = photo(1)
    given.generator.manual_seed(seed)
    (latents,) = denoise(
        predict, [given], lambda: build_scheduler(name, SCHEDULER_CONFIG, steps, options), tile_batch=1, eta=eta
    )
    return latents


@pytest.mark.parametrize("name", ["LCMScheduler", "TCDScheduler"])
def test_distilled_schedulers_begin_at_the_last_timestep_of_the_skipping_steps(name):
    """Every 20th of 1000 timesteps is known to LCM-LoRA and TCD-LoRA, the last one first."""
    assert timesteps(name, 4) == [999, 759, 499, 259]
    assert timesteps(name, 1) == [999]
    assert timesteps(name, 4, original_inference_steps=100) == [999, 749, 499, 249]


def test_timesteps_are_spaced_as_asked():
    """Hyper-SD's LoRAs for two, four and eight steps: trailing."""
    assert timesteps("DDIMScheduler", 2) == [501, 1]
    assert timesteps("DDIMScheduler", 2, timestep_spacing="trailing") == [999, 499]


@pytest.mark.parametrize("name", ["TCDScheduler", "DDIMScheduler"])
def test_noise_is_drawn_anew_in_so_far_as_eta_says(name):
    still = sampled(name, eta=0.0)
    assert torch.equal(still, sampled(name, seed=2, eta=0.0))
    lively = sampled(name, eta=0.9)
    assert torch.equal(lively, sampled(name, eta=0.9))
    assert not torch.allclose(lively, sampled(name, seed=2, eta=0.9), rtol=1e-2)
    assert torch.equal(sampled(name), sampled(name, eta={"TCDScheduler": 0.3, "DDIMScheduler": 0.0}[name]))


@pytest.mark.parametrize(
    ("name", "steps", "options", "message"),
    [
        ("UniPCMultistepScheduler", 4, {"eta": 0.5}, "takes no eta; leave it out"),
        ("DDIMScheduler", 4, {"original_inference_steps": 50}, "takes no original_inference_steps"),
        ("LCMScheduler", 60, {}, "cannot sample in 60 steps; change steps or scheduler_options"),
    ],
)
def test_options_that_a_scheduler_does_not_take_are_refused(name, steps, options, message):
    with pytest.raises(ValueError, match=f"{name} {message}"):
        build_scheduler(name, SCHEDULER_CONFIG, steps, SchedulerOptions(**options))
