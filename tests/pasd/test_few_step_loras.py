"""LoRAs for few steps, in the layout in which LCM-LoRA and its like are published, each with its scheduler."""

import pytest
import torch
from community_files import LORA_NAMINGS, kohya_name, lora_layers, random_factors, save_lora
from tiny_model import tiny_networks, tiny_settings

from pasd_batch.config.scheduler import SchedulerOptions
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.models import load_models
from pasd_batch.pasd.noise_draws import NoiseDraws
from pasd_batch.pasd.restorer import Restoration, Restorer

SEED = 3
ALPHA_BAR_999 = 0.0046598
"""Of Stable Diffusion's schedule."""

TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2")
TARGETS += ("conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv", "time_emb_proj")
"""Layers that LCM-LoRA is for; all of them of the UNet."""

PRESETS = {
    "LCM-LoRA": ("LCMScheduler", 4, {}),
    "TCD-LoRA": ("TCDScheduler", 4, {"eta": 0.3}),
    "Hyper-SD": ("DDIMScheduler", 2, {"timestep_spacing": "trailing"}),
    "Hyper-SD, one step": ("TCDScheduler", 1, {"eta": 1.0}),
}


@pytest.fixture(scope="module")
def lora(tmp_path_factory):
    """A file of float16 tensors in kohya's names, of rank 4 and alpha 8."""
    layers = lora_layers(tiny_networks()[0], torch.nn.Module())
    chosen = {name: weight for name, weight in layers.items() if name.endswith(TARGETS)}
    tensors = {}
    for layer, pair in random_factors(chosen, rank=4).items():
        tensors |= dict(zip(LORA_NAMINGS["kohya"](layer), (factor.half() for factor in pair), strict=True))
        tensors[f"{kohya_name(layer)}.alpha"] = torch.tensor(8.0, dtype=torch.float16)
    assert any("resnets_0_time_emb_proj" in name for name in tensors)
    return save_lora(tmp_path_factory.mktemp("lora") / "pytorch_lora_weights.safetensors", tensors)


@pytest.fixture(scope="module")
def turbo_models(tiny_model_folder, lora):
    return load_models(tiny_settings(tiny_model_folder, model={"loras": [{"path": lora, "weight": 0.25}]}).model)


@pytest.mark.parametrize("preset", PRESETS)
def test_sampling_begins_with_the_photo_noised_to_the_schedules_last_timestep(
    preset, turbo_models, models, tiny_model_folder, photograph
):
    name, steps, options = PRESETS[preset]
    settings = tiny_settings(
        tiny_model_folder,
        steps=steps,
        scheduler=name,
        scheduler_options=SchedulerOptions(**options),
        guidance_scale=1.0,
        alpha_a=1.0,
    )
    seen = []
    hook = turbo_models.unet.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[:2]))
    photo = photograph[:, :64, :64]
    (made,) = Restorer(turbo_models, settings).restore([photo], prompts=[""], seeds=[SEED])
    hook.remove()
    assert isinstance(made, Restoration)
    assert len(seen) == steps
    start, timestep = seen[0]
    assert int(timestep) == 999
    draws = NoiseDraws(SEED, 4, Size(8, 8))
    scaled = turbo_models.vae.config["scaling_factor"]
    with torch.no_grad():
        encoded = turbo_models.vae.encode(2 * photo[None] - 1).latent_dist
        latent = scaled * (encoded.mean + encoded.std * draws.posterior())
    torch.testing.assert_close(
        start, ALPHA_BAR_999**0.5 * latent + (1 - ALPHA_BAR_999) ** 0.5 * draws.training_noise(), atol=1e-3, rtol=1e-3
    )
    (without,) = Restorer(models, settings).restore([photo], prompts=[""], seeds=[SEED])
    assert not torch.allclose(made.image, without.image, atol=0.01)
