"""Networks that keep features channels-last: the same numbers with fewer copies."""

import json
import subprocess
import sys
from types import ModuleType

import kernel_errors
import pytest
import torch
from kernel_errors import SHAPES, case_name
from tiny_model import ARCHITECTURE, tiny_networks
from torch.profiler import ProfilerActivity, profile

import pasd_batch.pasd
from pasd_batch.pasd.channels_last import run_channels_last
from pasd_batch.pasd.fused import working_kernels
from pasd_batch.pasd.guidance import Guidance, GuidedDenoiser, TileBatch

LAYOUT_COPIES = ("aten::contiguous", "aten::clone")
FORMS = ["pasd", "pasd_light"]


def batch():
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    return TileBatch(draw(2, 4, 16, 24), draw(2, ARCHITECTURE.unet_widths[0], 16, 24), draw(2, 5, 16), draw(2, 5, 16))


def networks(form, *, weights_only=False):
    """UNet and branch, channels-last in their weights alone or from end to end."""
    made = [network.eval().requires_grad_(False) for network in tiny_networks(form)]
    for network in made:
        if weights_only:
            torch.nn.Module.to(network, memory_format=torch.channels_last)
        else:
            run_channels_last(network)
    return made


def predict(made, guidance=None):
    with torch.inference_mode():
        return GuidedDenoiser(*made, guidance or Guidance(3.0))(batch(), 500)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("guidance", [Guidance(3.0), Guidance(3.0, 0.5), Guidance(3.0, guess_mode=True)], ids=str)
def test_it_is_what_the_plain_layout_gives(form, guidance):
    """But for the order of sums."""
    plain = predict([network.eval() for network in tiny_networks(form)], guidance)
    torch.testing.assert_close(predict(networks(form), guidance), plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_features_are_not_copied_into_another_layout(form):
    def copies(made):
        predict(made)
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            predict(made)
        counts = {each.key: each.count for each in seen.key_averages()}
        return sum(counts.get(name, 0) for name in LAYOUT_COPIES), counts.get("aten::copy_", 0)

    layout, all_copies = copies(networks(form))
    layout_before, all_before = copies(networks(form, weights_only=True))
    # The latents themselves come in planes, to both networks; a copy is counted by both names.
    assert layout == 2 * 2
    assert layout_before > 50
    assert all_copies < all_before - 50


@pytest.mark.parametrize("form", FORMS)
def test_parameters_keep_their_names_and_stay_where_they_are(form):
    for made, plain in zip(networks(form), tiny_networks(form), strict=True):
        assert {name: each.shape for name, each in made.state_dict().items()} == {
            name: each.shape for name, each in plain.state_dict().items()
        }
        made.load_state_dict(plain.state_dict(), strict=True)


@pytest.fixture(scope="module")
def errors():
    """Errors of the kernels on Triton's interpreter, in a process of its own."""
    command = [sys.executable, kernel_errors.__file__]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("with_silu", [False, True])
# The interpreter cuts bfloat16 off instead of rounding it.
@pytest.mark.parametrize(("precision", "most"), [("float32", 2e-5), ("bfloat16", 2**-7), ("float16", 2**-10)])
def test_the_kernel_is_group_normalisation(errors, shape, with_silu, precision, most):
    assert errors[case_name(shape, precision, with_silu)] <= most


@pytest.mark.parametrize(("precision", "most"), [("float32", 2e-6), ("bfloat16", 2**-7), ("float16", 2**-10)])
def test_the_kernel_is_geglu(errors, precision, most):
    assert errors[f"geglu {precision}"] <= most


@pytest.mark.parametrize(
    ("kernel", "told"),
    [
        (lambda features, *_, **__: features, "is off by"),
        (lambda *_, **__: 1 / 0, "division by zero"),
    ],
    ids=["wrong", "failing"],
)
def test_a_kernel_that_does_not_work_is_told_and_not_used(monkeypatch, caplog, kernel, told):
    kernels = ModuleType("kernels")
    kernels.group_norm_channels_last = kernels.geglu = kernel
    monkeypatch.setitem(sys.modules, "pasd_batch.pasd.kernels", kernels)
    monkeypatch.setattr(pasd_batch.pasd, "kernels", kernels, raising=False)
    working_kernels.cache_clear()
    try:
        assert working_kernels(torch.device("cpu")) is None
    finally:
        working_kernels.cache_clear()
    assert told in caplog.text
