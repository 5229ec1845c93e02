"""Judges in low precision: the same verdicts, to the bit or to roundings that are named."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from pasd_batch.config.model import Precision
from pasd_batch.training.networks.loss_networks import BlurPool, cast_weights, prepare_loss_networks, replace_blur_pools
from pasd_batch.training.networks.teacher import RrdbNet

CPU = torch.device("cpu")


class Antialiased(nn.Module):
    """Padding, blur and subsampling as perceptual networks have them."""

    def __init__(self, channels, taps, padding):
        super().__init__()
        taps = torch.tensor(taps) / sum(taps)
        self.register_buffer("filt", torch.outer(taps, taps)[None, None].repeat(channels, 1, 1, 1))
        self.pad = nn.ReflectionPad2d(padding)
        self.stride = 2

    def forward(self, features):
        return functional.conv2d(self.pad(features), self.filt, stride=self.stride, groups=features.shape[1])


def loss_network(channels=6, taps=(1.0, 2.0, 1.0), padding=2):
    torch.manual_seed(2)
    first, second = nn.Conv2d(3, channels, 3, padding=1), nn.Conv2d(channels, 4, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), Antialiased(channels, taps, padding), second).requires_grad_(False)


@pytest.mark.parametrize("network", [RrdbNet(features=8, blocks=2, growth=4).requires_grad_(False), loss_network()])
def test_weights_in_low_precision_change_no_bit_of_what_autocast_computes(network, one_thread):
    pictures = torch.rand(2, 3, 8, 12)
    results = []
    for lower in (False, True):
        if lower:
            cast_weights(network, torch.bfloat16)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            results.append(network(pictures))
    assert torch.equal(*results)
    assert {each.dtype for each in network.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize(
    ("taps", "padding"), [((1.0, 2.0, 1.0), 2), ((1.0, 3.0, 3.0, 1.0), (1, 2, 1, 2)), ((1.0, 2.0, 1.0), (2, 1, 0, 2))]
)
@pytest.mark.parametrize("size", [(9, 16), (4, 5)])
def test_blurs_by_products_are_the_convolutions(taps, padding, size):
    plain = Antialiased(5, taps, padding)
    features = torch.randn(2, 5, *size).contiguous(memory_format=torch.channels_last).requires_grad_()
    expected, found = plain(features), BlurPool(plain)(features)
    torch.testing.assert_close(found, expected, rtol=0.0, atol=1e-6)
    assert found.is_contiguous(memory_format=torch.channels_last)
    given = torch.randn(expected.shape)
    gradients = [torch.autograd.grad(each, features, given)[0] for each in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=0.0, atol=1e-6)


def test_in_bfloat16_blurs_differ_by_one_rounding_more():
    plain = Antialiased(5, (1.0, 2.0, 1.0), 2)
    features = torch.rand(2, 5, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        error = (BlurPool(plain)(features).float() - plain(features).float()).abs().max()
    assert float(error) <= 2**-8


def test_a_loss_network_keeps_the_names_that_checkpoints_hold():
    network = loss_network()
    before = {name: each.clone() for name, each in network.state_dict().items()}
    replace_blur_pools(network)
    assert isinstance(network[2], BlurPool)
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("precision", [Precision.FLOAT32, Precision.BFLOAT16])
def test_on_the_cpu_loss_networks_stay_as_they_are(precision):
    network = loss_network()
    prepare_loss_networks([network], precision, CPU)
    assert isinstance(network[2], Antialiased)
    assert {each.dtype for each in network.parameters()} == {torch.float32}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_on_a_gpu_loss_networks_are_channels_last_in_low_precision():
    device = torch.device("cuda")
    plain, ours = loss_network().to(device), loss_network().to(device)
    prepare_loss_networks([ours], Precision.BFLOAT16, device)
    pictures = torch.rand(2, 3, 17, 32, device=device)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        found, expected = ours(pictures), plain(pictures)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected, rtol=0.0, atol=0.02)
