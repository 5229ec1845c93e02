"""Control branch, degradation removal, UNet and single layers."""

import golden_data
import pytest
import torch
from golden_data import model_folder

from pasd_batch.pasd.checkpoint import load_control_branch, load_unet
from pasd_batch.pasd.control_branch import ControlResiduals
from pasd_batch.pasd.paca import PixelAwareTextTransformer


@pytest.mark.parametrize("name", golden_data.names("cond_embedding_*"))
@torch.no_grad()
def test_degradation_removal(name: str):
    golden = golden_data.load(name)
    branch = load_control_branch(model_folder(golden.description["models"])).float()
    for case in sorted(key.removeprefix("embedding_") for key in golden.tensors if key.startswith("embedding_")):
        seen = branch.controlnet_cond_embedding(golden.tensors[f"image_{case}_u8"] / 255)
        golden.check(seen.embedding, f"embedding_{case}")
        for scale, rgb in enumerate(seen.rgbs):
            golden.check(rgb, f"rgb_{case}_{scale}")


@pytest.mark.parametrize("name", golden_data.names("denoiser_*"))
@torch.no_grad()
def test_denoiser(name: str):
    golden = golden_data.load(name)
    data, about = golden.tensors, golden.description
    branch = load_control_branch(model_folder(about["models"][0])).float()
    unet = load_unet(model_folder(about["models"][1])).float()
    seen = branch.controlnet_cond_embedding(data["lr_image_u8"] / 255)
    sample, timestep = data["sample"], data["timestep"]
    residuals = branch(
        sample,
        timestep,
        data["text_states"][-len(sample) :],
        seen.embedding,
        conditioning_scale=about["conditioning_scale"],
        guess_mode=about["guess_mode"],
    )
    for number, residual in enumerate(residuals.skips):
        golden.check(residual, f"down_residual_{number:02d}")
    golden.check(residuals.middle, "mid_residual")
    for scale, rgb in enumerate(seen.rgbs):
        golden.check(rgb, f"rgb_{scale}")
    if about["guess_mode"]:
        sample, timestep = torch.cat([sample, sample]), torch.cat([timestep, timestep])
        residuals = ControlResiduals([behind_zeros(r) for r in residuals.skips], behind_zeros(residuals.middle))
    golden.check(unet(sample, timestep, data["text_states"], residuals), "eps")


def behind_zeros(residual: torch.Tensor) -> torch.Tensor:
    return torch.cat([torch.zeros_like(residual), residual])


@pytest.mark.parametrize("name", golden_data.names("layers_*"))
@torch.no_grad()
def test_layers(name: str):
    golden = golden_data.load(name)
    data, modules = golden.tensors, golden.description["modules"]
    unet = load_unet(model_folder(golden.description["models"])).float()
    for case, path in modules.items():
        layer = unet.get_submodule(path)
        for amplitude in ("amp1", "amp0"):
            hidden = data[f"{case}.{amplitude}.hidden"]
            if case == "resnet":
                out = layer(hidden, data["resnet.temb"])
            elif isinstance(layer, PixelAwareTextTransformer):
                out = layer(hidden, data["text_states"], data[f"{case}.context"])
            else:
                out = layer(hidden, data[f"{case}.context"])
            golden.check(out, f"{case}.{amplitude}.out")
    sinusoid = unet.time_proj(data["time.timesteps"])
    golden.check(sinusoid, "time.sinusoid")
    golden.check(unet.time_embedding(sinusoid), "time.embedding")
