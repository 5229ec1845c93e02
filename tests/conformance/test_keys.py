"""Parameter names and shapes of the full-size models, on the meta device."""

import json
from typing import Any

import golden_data
import pytest
import torch
from diffusers import AutoencoderKL
from torch import nn

from pasd_batch.pasd.checkpoint import paca_form
from pasd_batch.pasd.control_branch import ControlBranch
from pasd_batch.pasd.model_config import read_model_config
from pasd_batch.pasd.state_dict import differences
from pasd_batch.pasd.unet import PixelAwareUNet

KEYS = golden_data.FOLDER / "keys"
VARIANTS = {k: v for k, v in json.loads((KEYS / "variants.json").read_text()).items() if not k.startswith("_")}


def expected(file: str) -> dict[str, torch.Tensor]:
    keys = json.loads((KEYS / file).read_text())["keys"]
    return {name: torch.empty(shape, device="meta") for name, shape in keys.items()}


def parameters(model: nn.Module, prefix: str = "") -> int:
    return sum(p.numel() for name, p in model.named_parameters() if name.startswith(prefix))


@pytest.mark.parametrize("variant", VARIANTS)
def test_unet(variant: str):
    entry = VARIANTS[variant]
    keys = expected(entry["unet_keys"])
    options = read_model_config((KEYS / entry["unet_config"]).parent, PixelAwareUNet)
    with torch.device("meta"):
        unet = PixelAwareUNet(**options, paca=paca_form(keys))
    assert differences(unet, keys) == []
    assert parameters(unet) == entry["unet_parameters"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_control_branch(variant: str):
    entry = VARIANTS[variant]
    with torch.device("meta"):
        branch = ControlBranch(**read_model_config((KEYS / entry["controlnet_config"]).parent, ControlBranch))
    assert differences(branch, expected(entry["controlnet_keys"])) == []
    assert parameters(branch) == entry["controlnet_parameters"]


def test_control_branch_without_rgb_heads():
    with torch.device("meta"):
        branch = ControlBranch(return_rgbs=False)
    assert differences(branch, expected("controlnet_no_rgbs.json")) == []


def test_a_missing_key_is_seen():
    keys = expected("controlnet.json")
    keys["conv_in.weights"] = keys.pop("conv_in.weight")
    keys["conv_in.bias"] = torch.empty(7, device="meta")
    with torch.device("meta"):
        report = "\n".join(differences(ControlBranch(), keys))
    assert "1 missing:\n    conv_in.weight" in report
    assert "1 left over:\n    conv_in.weights" in report
    assert "conv_in.bias: [7] instead of [320]" in report


@pytest.mark.parametrize("form", ["pasd", "pasd_light"])
def test_without_paca_it_is_stable_diffusion(form: Any):
    plain = expected("unet_sd15.json")
    with torch.device("meta"):
        unet = PixelAwareUNet(paca=form)
    trainable = json.loads((KEYS / f"unet_{form}.json").read_text())["trainable_parameter_names"]
    assert set(unet.state_dict()) - set(trainable) == set(plain)


def test_vae():
    with torch.device("meta"):
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
        )
    assert differences(vae, expected("vae_sd15.json")) == []


def test_text_encoder():
    from transformers import CLIPTextConfig, CLIPTextModel

    keys = expected("text_encoder_sd15.json")
    config = CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_attention_heads=12, num_hidden_layers=12)
    with torch.device("meta"):
        model = CLIPTextModel(config)
    # transformers 5 dropped the outer name and adds it again when it loads a checkpoint.
    prefix = "" if next(iter(model.state_dict())).startswith("text_model.") else "text_model."
    shapes = {prefix + name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    assert shapes == {name: list(t.shape) for name, t in keys.items() if not name.endswith("position_ids")}
