"""The UNet as a diffusers model, and what its forward pass promises. Its numbers are tested in tests/conformance."""

import json

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor
from tiny_model import ARCHITECTURE, tiny_networks

from pasd_batch.pasd.control_branch import ControlResiduals
from pasd_batch.pasd.unet import PixelAwareUNet

WIDTH = ARCHITECTURE.unet_widths[0]
FORMS = pytest.mark.parametrize("paca", ["pasd", "pasd_light"])


def inputs(height=8, width=16, *, batch=2):
    generator = torch.Generator().manual_seed(1)
    sample = torch.randn(batch, 4, height, width, generator=generator)
    text = torch.randn(batch, 5, 16, generator=generator)
    embedding = torch.randn(batch, WIDTH, height, width, generator=generator)
    return sample, text, embedding


def predict(unet, branch, sample, text, embedding, timestep=500):
    return unet(sample, timestep, text, branch(sample, timestep, text, embedding))


@FORMS
def test_saved_and_loaded_by_diffusers(tmp_path, paca):
    unet, branch = tiny_networks(paca)
    unet.save_pretrained(tmp_path)
    loaded, info = PixelAwareUNet.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    assert json.loads(loaded.to_json_string()) == json.loads(unet.to_json_string()) | {"_name_or_path": str(tmp_path)}
    with torch.no_grad():
        expected, actual = (predict(network, branch, *inputs()) for network in (unet, loaded))
    assert torch.equal(actual, expected)


@FORMS
def test_attention_processors_can_be_replaced(paca):
    unet, branch = tiny_networks(paca)
    processors = unet.attn_processors
    # Two attentions in each text transformer (6 down, 1 middle, 9 up), and PACA: 12 transformers, or 9 attentions.
    assert len(processors) == 2 * (6 + 1 + 9) + (2 * 12 if paca == "pasd" else 9)
    paca_part = "pixel_attentions" if paca == "pasd" else "attn2_plus"
    assert any(paca_part in name for name in processors)
    with torch.no_grad():
        expected = predict(unet, branch, *inputs())
        plain = AttnProcessor()
        unet.set_attn_processor(plain)
        assert set(map(id, unet.attn_processors.values())) == {id(plain)}
        torch.testing.assert_close(predict(unet, branch, *inputs()), expected, rtol=1e-4, atol=1e-5)


def test_lora_adapters_can_be_added():
    peft = pytest.importorskip("peft", reason="LoRA adapters need peft, which is optional")
    unet, branch = tiny_networks()
    with torch.no_grad():
        before = predict(unet, branch, *inputs())
        config = peft.LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False)
        unet.add_adapter(config)
        assert not torch.allclose(predict(unet, branch, *inputs()), before)
        unet.disable_adapters()
        torch.testing.assert_close(predict(unet, branch, *inputs()), before)


@FORMS
def test_gradient_checkpointing_gives_the_same_gradients(paca):
    gradients = []
    for checkpointed in (False, True):
        unet, branch = tiny_networks(paca)
        unet.train()
        if checkpointed:
            unet.enable_gradient_checkpointing()
            assert unet.is_gradient_checkpointing
            assert all(block.gradient_checkpointing for block in unet.up_blocks)
        predict(unet, branch, *inputs()).square().mean().backward()
        gradients.append({name: p.grad for name, p in [*unet.named_parameters(), *branch.named_parameters()]})
    unused = {name for name, gradient in gradients[0].items() if gradient is None}
    assert all(name.startswith("controlnet_cond_embedding") for name in unused)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-7)


@FORMS
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 13), (5, 3), (9, 15)])
def test_any_latent_size(paca, height, width):
    unet, branch = tiny_networks(paca)
    with torch.no_grad():
        assert predict(unet, branch, *inputs(height, width)).shape == (2, 4, height, width)


def test_one_timestep_or_one_per_sample():
    unet, branch = tiny_networks()
    with torch.no_grad():
        expected = predict(unet, branch, *inputs(), 500)
        assert torch.equal(predict(unet, branch, *inputs(), torch.tensor([500, 500])), expected)
        assert torch.equal(predict(unet, branch, *inputs(), torch.tensor(500)), expected)
        mixed = predict(unet, branch, *inputs(), torch.tensor([500, 20]))
    torch.testing.assert_close(mixed[0], expected[0])
    assert not torch.allclose(mixed[1], expected[1], rtol=1e-2)


@FORMS
def test_residuals_act_through_skips_and_through_pixel_aware_attention(paca):
    unet, branch = tiny_networks(paca)
    sample, text, embedding = inputs()
    with torch.no_grad():
        residuals = branch(sample, 500, text, embedding)
        expected = unet(sample, 500, text, residuals)
        without_middle = unet(sample, 500, text, ControlResiduals(residuals.skips, 0 * residuals.middle))
        assert not torch.allclose(without_middle, expected, rtol=1e-3)
        for module in unet.modules():
            if hasattr(module, "attn2_plus"):
                module.attn2_plus.to_out[0].weight.zero_()
                module.attn2_plus.to_out[0].bias.zero_()
            elif type(module).__name__ == "PixelAwareTransformer":
                module.proj_out.weight.zero_()
                module.proj_out.bias.zero_()
        assert not torch.allclose(unet(sample, 500, text, residuals), expected, rtol=1e-3)


def test_too_few_residuals_are_an_error():
    unet, branch = tiny_networks()
    sample, text, embedding = inputs()
    residuals = branch(sample, 500, text, embedding)
    with pytest.raises(ValueError, match="shorter"):
        unet(sample, 500, text, ControlResiduals(residuals.skips[:-1], residuals.middle))
