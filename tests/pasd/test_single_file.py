"""Single files in the original latent-diffusion names: each tensor has one place, and other families are named."""

import json
from pathlib import Path

import pytest
import torch
from community_files import original_text_name, original_unet_name, original_vae_name, single_file
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from tiny_model import tiny_networks
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from pasd_batch.pasd.personalization import blend
from pasd_batch.pasd.single_file import NOT_NEEDED, split_single_file
from pasd_batch.pasd.state_dict import CheckpointError, differences
from pasd_batch.pasd.unet import PixelAwareUNet

KEYS = Path(__file__).parents[1] / "golden" / "keys"
VAE_CONFIG = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}
TINY_VAE = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}


def shapes(part: str) -> dict[str, list[int]]:
    return json.loads((KEYS / f"{part}_sd15.json").read_text())["keys"]


def full_size_file() -> dict[str, Tensor]:
    """Stable Diffusion 1.5 as a file, its tensors without their numbers: names and shapes of the published folders."""
    with torch.device("meta"):
        unet = {original_unet_name(name): torch.empty(shape) for name, shape in shapes("unet").items()}
        text = {original_text_name(name): torch.empty(shape) for name, shape in shapes("text_encoder").items()}
        vae = {
            original_vae_name(name): torch.empty(*shape, *((1, 1) if is_linear(name, shape) else ()))
            for name, shape in shapes("vae").items()
        }
    return {**unet, **vae, **text}


def is_linear(name: str, shape: list[int]) -> bool:
    return ".attentions." in name and len(shape) == 2


def origin(tensor: Tensor) -> int:
    return id(tensor if tensor._base is None else tensor._base)


@pytest.mark.parametrize("paca", ["pasd", "pasd_light"])
def test_a_full_size_file_fills_every_place_and_each_tensor_is_used_once(paca):
    file = full_size_file()
    with torch.device("meta"):
        unet, vae = PixelAwareUNet(paca=paca), AutoencoderKL(**VAE_CONFIG)
        text_encoder = CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_attention_heads=12))
    parts = split_single_file(file, dict(unet.config), dict(vae.config), source="model.safetensors")
    used = [origin(tensor) for part in (parts.unet, parts.vae, parts.text_encoder) for tensor in part.values()]
    assert len(used) == len(set(used)) == len(file) == 686 + 248 + 196
    assert set(used) == {id(tensor) for tensor in file.values()}
    for strength in (1.0, 0.5):
        blend(unet, parts.unet, strength=strength)
    assert not differences(vae, parts.vae)
    assert not differences(text_encoder, {**parts.text_encoder, **with_prefix(parts.text_encoder, text_encoder)})


def with_prefix(tensors, network):
    """The names of transformers before version 5, where these are the network's."""
    return {} if "final_layer_norm.bias" in network.state_dict() else {f"text_model.{n}": t for n, t in tensors.items()}


@pytest.fixture(scope="module")
def unet():
    return tiny_networks()[0]


@pytest.fixture
def file(unet):
    return single_file(unet.state_dict())


def split(unet, file):
    return split_single_file(file, dict(unet.config), TINY_VAE, source="model.safetensors")


def test_a_file_without_vae_and_text_encoder_has_none(unet, file):
    parts = split(unet, file)
    assert parts.vae is None
    assert parts.text_encoder is None


def test_what_is_not_needed_is_left_out(unet, file):
    extra = {name + ("input_blocks00weight" if name.endswith(".") else ""): torch.ones(1) for name in NOT_NEEDED}
    assert split(unet, {**file, **extra}).unet.keys() == split(unet, file).unet.keys()
    assert all(NOT_NEEDED.values()), "each has its reason"


@pytest.mark.parametrize(
    "name",
    [
        "model.diffusion_model.head.weight",
        "first_stage_model.head.weight",
        "cond_stage_model.model.token_embedding.weight",
        "v_pred",
    ],
)
def test_a_tensor_that_nobody_knows_is_named(unet, file, name):
    with pytest.raises(CheckpointError, match=rf"1 unknown tensors:\n    {name}"):
        split(unet, {**file, name: torch.ones(1)})


def test_one_that_has_a_block_s_name_is_kept_for_the_network_to_refuse(unet, file):
    parts = split(unet, {**file, "model.diffusion_model.input_blocks.1.0.in_layers.9.weight": torch.ones(1)})
    assert len(parts.unet) == len(file) + 1


@pytest.mark.parametrize(
    ("name", "shape", "family"),
    [
        ("model.diffusion_model.input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight", (32, 1024), "Diffusion 2"),
        ("model.diffusion_model.input_blocks.0.0.weight", (32, 9, 3, 3), "an inpainting model"),
        ("model.diffusion_model.input_blocks.0.0.weight", (32, 8, 3, 3), "InstructPix2Pix"),
        ("model.diffusion_model.label_emb.0.0.weight", (4, 4), "Stable Diffusion XL"),
        ("conditioner.embedders.1.model.transformer.resblocks.9.mlp.c_proj.bias", (4,), "Stable Diffusion XL"),
        ("model.diffusion_model.joint_blocks.37.x_block.mlp.fc1.weight", (4, 4), "Stable Diffusion 3.5"),
        ("model.diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale", (4,), "Flux"),
        ("model.diffusion_model.input_blocks.10.0.skip_connection.bias", (4,), "x4 upscaler"),
        ("control_model.time_embed.0.weight", (4, 4), "a ControlNet"),
        ("model.diffusion_model.head.modulation", (4, 4), "of a family"),
    ],
)
def test_another_family_is_refused_by_name(unet, file, name, shape, family):
    with pytest.raises(CheckpointError, match=rf"model\.safetensors: is .*{family}.*made from Stable Diffusion 1\.5"):
        split(unet, {**file, name: torch.zeros(shape)})


def test_a_lora_is_refused_with_its_setting(unet):
    with pytest.raises(CheckpointError, match=r"is a LoRA.*model\.loras"):
        split(unet, {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": torch.ones(1, 1)})


def test_a_file_in_the_names_of_diffusers_is_refused_with_the_remedy(unet):
    with pytest.raises(CheckpointError, match="in diffusers' names give its folder"):
        split(unet, unet.state_dict())
