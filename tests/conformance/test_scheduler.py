"""UniPC's timesteps, sigmas and steps."""

import json

import golden_data
import pytest
import torch

from pasd_batch.pasd.schedulers import build_scheduler

CONFIGS = {
    "std": golden_data.FOLDER / "tiny/stable-diffusion-v1-5/scheduler/scheduler_config.json",
    "zsnr": golden_data.FOLDER / "tiny/scheduler/scheduler_config.json",
}


def keys_of(kind: str) -> list[str]:
    if not golden_data.names("scheduler"):
        return []
    return [name for name in golden_data.load("scheduler").tensors if name.split(".")[1].startswith(kind)]


@pytest.mark.parametrize("key", keys_of("timesteps_"))
def test_timesteps_and_sigmas(key: str):
    golden = golden_data.load("scheduler")
    kind, steps = key.split(".")[0], int(key.rsplit("_", 1)[1])
    scheduler = build_scheduler("UniPCMultistepScheduler", json.loads(CONFIGS[kind].read_text()), steps)
    assert torch.equal(scheduler.timesteps, golden.tensors[key])
    golden.check(scheduler.sigmas, f"{kind}.sigmas_{steps}")
    golden.check(scheduler.alphas_cumprod, f"{kind}.alphas_cumprod")


@pytest.mark.parametrize("key", [key for key in keys_of("step_") if key.endswith(".x0")])
def test_steps(key: str):
    golden = golden_data.load("scheduler")
    kind, run, _ = key.split(".")
    config = json.loads(CONFIGS[kind].read_text())
    scheduler = build_scheduler("UniPCMultistepScheduler", config, int(run.split("_")[1]))
    latent = golden.tensors[key]
    steps = []
    for timestep, noise in zip(scheduler.timesteps, golden.tensors[f"{kind}.{run}.eps"], strict=True):
        latent = scheduler.step(noise, timestep, latent, return_dict=False)[0]
        steps.append(latent)
    golden.check(torch.stack(steps), f"{kind}.{run}.x")
