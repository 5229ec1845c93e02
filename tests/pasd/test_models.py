"""Loading all networks of a restorer and putting them where they run."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_model import tiny_networks, tiny_settings

from pasd_batch.config.model import ModelSettings, Precision
from pasd_batch.pasd.models import load_models
from pasd_batch.pasd.state_dict import CheckpointError


def load(folder, **model):
    return load_models(tiny_settings(folder, model=model).model)


@pytest.mark.parametrize("dtype", Precision)
def test_precision_of_each_part(tiny_model_folder, dtype):
    models = load(tiny_model_folder, dtype=dtype, vae_dtype=dtype)
    expected = getattr(torch, dtype)
    last = models.vae.decoder.conv_out
    parameters = [p for part in (models.unet, models.control_branch, models.vae) for p in part.parameters()]
    in_pixels = {id(p) for p in last.parameters()}
    assert {p.dtype for p in parameters if id(p) not in in_pixels} == {expected}
    assert last.weight.dtype == torch.float32, "what it gives are pixels"
    assert (models.dtype, models.vae_dtype) == (expected, expected)
    assert models.prompt_encoder.text_encoder.dtype == torch.float32
    assert models.is_float32 is (dtype is Precision.FLOAT32)


def test_nothing_is_trained_and_nothing_is_in_training_mode(tiny_model_folder):
    models = load(tiny_model_folder)
    for part in (models.unet, models.control_branch, models.vae, models.prompt_encoder.text_encoder):
        assert not part.training
        assert not any(p.requires_grad for p in part.parameters())


def test_float32_for_a_while(tiny_model_folder):
    models = load(tiny_model_folder, dtype=Precision.BFLOAT16, vae_dtype=Precision.BFLOAT16)
    networks = torch.nn.ModuleList([models.unet, models.vae])
    before = {name: tensor.clone() for name, tensor in networks.state_dict().items()}
    with models.in_float32() as exact:
        assert exact.is_float32
        assert not exact.vae_tf32
        assert {p.dtype for part in (exact.unet, exact.control_branch, exact.vae) for p in part.parameters()} == {
            torch.float32
        }
    assert (models.unet.dtype, models.control_branch.dtype, models.vae_dtype) == (torch.bfloat16,) * 3
    torch.testing.assert_close(networks.state_dict(), before, rtol=0, atol=0)


def test_precision_returns_after_an_error(tiny_model_folder):
    models = load(tiny_model_folder, dtype=Precision.BFLOAT16)
    with pytest.raises(torch.OutOfMemoryError), models.in_float32():
        raise torch.OutOfMemoryError
    assert (models.unet.dtype, models.control_branch.dtype, models.vae_dtype) == (
        torch.bfloat16,
        torch.bfloat16,
        torch.float32,
    )


def test_pixel_multiple_of_four_levels(tiny_model_folder):
    assert load(tiny_model_folder).pixel_multiple == 64


def test_missing_folder_is_named(tmp_path, tiny_model_folder):
    with pytest.raises(CheckpointError, match=r"model.control: .*nowhere: no such folder; check"):
        load_models(ModelSettings(base=tiny_model_folder, control=tmp_path / "nowhere"))


def test_a_vae_of_another_reduction(model_copy):
    change = {"block_out_channels": [8, 8, 16], "down_block_types": ["DownEncoderBlock2D"] * 3}
    rebuild_vae(model_copy, change | {"up_block_types": ["UpDecoderBlock2D"] * 3})
    with pytest.raises(CheckpointError, match="VAE reduces by 4, PASD needs 8"):
        load(model_copy)


def test_a_vae_with_attention_in_its_levels(model_copy):
    rebuild_vae(model_copy, {"up_block_types": ["AttnUpDecoderBlock2D"] + ["UpDecoderBlock2D"] * 3})
    with pytest.raises(CheckpointError, match="VAE has AttnUpDecoderBlock2D"):
        load(model_copy)


def test_a_vae_with_other_latents(model_copy):
    rebuild_vae(model_copy, {"latent_channels": 16})
    with pytest.raises(CheckpointError, match="latent channels of VAE and UNet: 16 and 4"):
        load(model_copy)


def rebuild_vae(folder, change):
    from diffusers import AutoencoderKL

    config = json.loads((folder / "vae" / "config.json").read_text())
    AutoencoderKL.from_config(config | change).save_pretrained(folder / "vae")


def test_a_base_with_another_text_encoder(model_copy):
    """As Stable Diffusion 2's folder beside a PASD made for 1.5."""
    path = model_copy / "text_encoder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hidden_size": 8}))
    weights = model_copy / "text_encoder" / "model.safetensors"
    halved = {
        name: tensor[tuple(slice(side // 2 if side == 16 else side) for side in tensor.shape)].contiguous()
        for name, tensor in load_file(weights).items()
    }
    save_file(halved, weights, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="text width of text encoder and UNet: 8 and 16"):
        load(model_copy)


def test_a_control_branch_of_another_model(model_copy):
    from pasd_batch.pasd.checkpoint import initialise_control_branch
    from pasd_batch.pasd.unet import PixelAwareUNet

    unet, _ = tiny_networks()
    other = PixelAwareUNet.from_config({**unet.config, "block_out_channels": (8, 8, 8, 8)})
    initialise_control_branch(other).save_pretrained(model_copy / "controlnet")
    with pytest.raises(
        CheckpointError, match=r"level widths of UNet and control branch: \[32, 32, 64, 64\] and \[8, 8"
    ):
        load(model_copy)
