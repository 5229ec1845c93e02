"""The adjustable noise schedule's starting latents."""

import json

import golden_data
import pytest
from diffusers import AutoencoderKL
from golden_data import assert_close, load, model_folder

from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.pasd import vae_tiling
from pasd_batch.pasd.noise_schedule import AdjustableNoiseSchedule, pure_noise_start
from pasd_batch.pasd.schedulers import build_scheduler

CASES = load("initial_latents").description["cases"] if golden_data.names("initial_latents") else {}
BASE = golden_data.FOLDER / "tiny/stable-diffusion-v1-5"


@pytest.mark.parametrize("case", [name for name, about in CASES.items() if not about.get("init_latent_with_noise")])
def test_start_from_the_photo(case: str):
    golden, about = load("initial_latents"), CASES[case]
    data = {key.removeprefix(f"{case}."): t for key, t in golden.tensors.items() if key.startswith(f"{case}.")}
    vae = AutoencoderKL.from_pretrained(model_folder("tiny/stable-diffusion-v1-5/vae")).float().eval()
    config = json.loads((BASE / "scheduler/scheduler_config.json").read_text())
    scheduler = build_scheduler("UniPCMultistepScheduler", config, about["num_inference_steps"])
    assert scheduler.timesteps[: len(about["timesteps"])].tolist() == about["timesteps"]
    posterior = vae_tiling.encode(vae, 2 * (data["image_u8"] / 255) - 1, tile_size=256)
    latent = posterior.sample(data["draw_0"], vae.config["scaling_factor"])
    relative = golden.description["recommended_tolerance"]["rel"]
    first = int(scheduler.timesteps[0])

    level = about["added_noise_level"]
    nominal = AdjustableNoiseSchedule.from_settings(SamplingSettings(added_noise_level=level), scheduler.alphas_cumprod)
    start = nominal.start(latent, data["draw_1"], data["draw_2"], timestep=first)
    assert_close(start, data.get("nominal", data["out"]), relative=relative, what=f"{case}: literal noise level")

    # What the reference did instead when the level is not one of the schedule's timesteps.
    acted = about.get("timestep_actually_used_for_the_second_noise", level)
    as_run = AdjustableNoiseSchedule(scheduler.alphas_cumprod, float(scheduler.alphas_cumprod[acted]))
    out = as_run.start(latent, data["draw_1"], data["draw_2"], timestep=first)
    assert_close(out, data["out"], relative=relative, what=f"{case}: as the reference ran")


@pytest.mark.parametrize("case", [name for name, about in CASES.items() if about.get("init_latent_with_noise")])
def test_start_from_noise(case: str):
    golden, about = load("initial_latents"), CASES[case]
    strength = about.get("offset_noise_scale", 0.0)
    draw = golden.tensors[f"{case}.draw_0"]
    offset = golden.tensors.get(f"{case}.offset", draw[:, :, :1, :1])
    golden.check(pure_noise_start(draw, offset, offset_noise_scale=strength), f"{case}.out")
