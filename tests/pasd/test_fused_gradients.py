"""Layers that keep features channels-last have the gradients of those whose places they take."""

import json
import subprocess
import sys
from types import ModuleType

import kernel_gradient_errors
import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.upsampling import Upsample2D
from kernel_gradient_errors import NAMES, SHAPES, case_name, cases
from tiny_model import tiny_networks
from torch import nn
from torch.profiler import ProfilerActivity, profile

import pasd_batch.pasd
from pasd_batch.pasd.channels_last import keep_norms_channels_last, run_channels_last
from pasd_batch.pasd.fused import working_kernels

# Roundings of the result: the interpreter cuts bfloat16 off. Gradients of weights stay in float32.
MOST = {"float32": 2e-6, "bfloat16": 2**-7, "float16": 2**-10}
VAE_SIZES = {
    "block_out_channels": (8, 16, 24),
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "layers_per_block": 1,
    "latent_channels": 6,
    "norm_num_groups": 2,
}


@pytest.fixture(scope="module")
def errors():
    """Errors of the kernels on Triton's interpreter, in a process of its own."""
    command = [sys.executable, kernel_gradient_errors.__file__]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize(("shape", "precision", "with_silu"), cases(), ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_the_kernels_have_the_gradients_of_group_normalisation(errors, shape, precision, with_silu, name):
    most = MOST[precision] if name == "features" else MOST["float32"]
    assert errors[case_name(shape, precision, with_silu, name)] <= most


@pytest.mark.parametrize("precision", list(MOST))
def test_the_kernel_has_the_gradient_of_geglu(errors, precision):
    assert errors[f"geglu {precision}"] <= MOST[precision]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_on_a_gpu_the_kernels_have_these_gradients():
    assert working_kernels(torch.device("cuda"), with_gradients=True) is not None
    found = kernel_gradient_errors.gradient_errors("cuda", (*SHAPES, (4, 320, 33, 65, 32)))
    wrong = {
        name: error
        for name, error in found.items()
        if error > next(most for precision, most in MOST.items() if f" {precision}" in name)
    }
    assert wrong == {}


class WrongGradient(torch.autograd.Function):
    """The right value, twice the gradient."""

    @staticmethod
    def forward(ctx, value):
        return value.clone()

    @staticmethod
    def backward(ctx, gradient):
        return 2.0 * gradient


def test_kernels_whose_gradients_are_wrong_are_told_and_not_used(monkeypatch, caplog):
    def group_norm(features, groups, weight, bias, eps, *, shift, with_silu):
        shifted = (features + shift[:, :, None, None]).double()
        normalised = torch.nn.functional.group_norm(shifted, groups, weight.double(), bias.double(), eps)
        return WrongGradient.apply(torch.nn.functional.silu(normalised).float())

    def geglu(tokens):
        values, gate = tokens.chunk(2, dim=-1)
        return values * torch.nn.functional.gelu(gate)

    kernels = ModuleType("kernel_gradients")
    kernels.group_norm_channels_last, kernels.geglu = group_norm, geglu
    monkeypatch.setitem(sys.modules, "pasd_batch.pasd.kernel_gradients", kernels)
    monkeypatch.setattr(pasd_batch.pasd, "kernel_gradients", kernels, raising=False)
    working_kernels.cache_clear()
    try:
        assert working_kernels(torch.device("cpu"), with_gradients=True) is None
    finally:
        working_kernels.cache_clear()
    assert "the gradient of group normalisation is off by" in caplog.text


class Level(nn.Module):
    """One of each kind of layer that is replaced."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.resnet = ResnetBlock2D(in_channels=8, out_channels=16, temb_channels=12, groups=4)
        self.attention = Transformer2DModel(2, 8, 16, cross_attention_dim=6, norm_num_groups=4)
        self.norm = nn.GroupNorm(2, 16)
        self.upsampler = Upsample2D(16, use_conv=True)

    def forward(self, features, time, text):
        hidden = self.resnet(features, time)
        hidden = self.attention(hidden, encoder_hidden_states=text, return_dict=False)[0]
        return self.upsampler(self.norm(hidden), (7, 11))


def gradients(level):
    """Gradients of one call in float64, and how often it and they copied features into another layout."""
    level.double()
    generator = torch.Generator().manual_seed(1)
    features, time, text = (
        torch.randn(shape, generator=generator).double() for shape in ((2, 8, 4, 6), (2, 12), (2, 5, 6))
    )
    features = features.contiguous(memory_format=torch.channels_last)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        level(features, time, text).square().mean().backward()
    found = {name: parameter.grad for name, parameter in level.named_parameters()}
    return found, sum(each.count for each in seen.key_averages() if each.key in ("aten::contiguous", "aten::clone"))


def test_layers_have_the_same_gradients_with_fewer_copies():
    plain, ours = Level(), Level()
    torch.nn.Module.to(plain, memory_format=torch.channels_last)
    run_channels_last(ours)
    (expected, copies_before), (found, copies) = gradients(plain), gradients(ours)
    assert list(found) == list(expected)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-8, atol=1e-12)
    assert copies_before >= 2 * copies, f"{copies_before} before, {copies} now"


@pytest.mark.parametrize("checkpointing", [False, True])
def test_checkpointed_transformers_stay_so(checkpointing):
    unet = tiny_networks("pasd")[0]
    if checkpointing:
        unet.enable_gradient_checkpointing()
    run_channels_last(unet)
    transformers = [part for part in unet.modules() if hasattr(part, "attend")]
    assert {part.gradient_checkpointing for part in transformers} == {checkpointing}


def test_batches_of_64_are_enlarged_channels_last():
    """diffusers makes planes of them, for a fault that only the very largest features have."""
    unet = tiny_networks("pasd")[0]
    run_channels_last(unet)
    layers = [block.upsamplers[0] for block in unet.up_blocks if block.upsamplers is not None]
    features = torch.randn(64, layers[0].conv.in_channels, 2, 3).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        seen = []
        layers[0].conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        layers[0](features, (3, 6))
    assert seen[0].shape[2:] == (3, 6)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)


def test_a_vae_has_the_same_gradients_without_planes():
    torch.manual_seed(3)
    plain = AutoencoderKL(**VAE_SIZES).eval()
    ours = AutoencoderKL(**VAE_SIZES).eval()
    ours.load_state_dict(plain.state_dict())
    torch.nn.Module.to(ours, memory_format=torch.channels_last)
    keep_norms_channels_last(ours)
    assert list(ours.state_dict()) == list(plain.state_dict())
    latents = torch.randn(2, 6, 4, 4)
    layouts = []
    for part in ours.decoder.up_blocks:
        part.register_forward_hook(
            lambda *call: layouts.append(call[2].is_contiguous(memory_format=torch.channels_last))
        )
    for vae in (plain, ours):
        vae.decode(latents).sample.square().mean().backward()
    assert layouts == [True] * 3
    for (name, parameter), other in zip(plain.decoder.named_parameters(), ours.decoder.parameters(), strict=True):
        torch.testing.assert_close(other.grad, parameter.grad, rtol=1e-3, atol=1e-6, msg=name)
