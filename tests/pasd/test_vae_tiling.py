"""The VAE in tiles equals the plain VAE."""

import copy

import pytest
import torch
from diffusers import AutoencoderKL

from pasd_batch.pasd import vae_tiling
from pasd_batch.pasd.channels_last import keep_norms_channels_last

SIZES = [(9, 13), (16, 5), (11, 31)]
"""Latent sizes that tiles of 6 do not divide."""


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(5)
    built = AutoencoderKL(
        block_out_channels=(8, 8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        norm_num_groups=4,
    ).eval()
    # Fresh normalisations scale by one and shift by nothing, which would hide mistakes.
    for norm in (module for module in built.modules() if isinstance(module, torch.nn.GroupNorm)):
        torch.nn.init.normal_(norm.weight, 1.0, 0.3)
        torch.nn.init.normal_(norm.bias, 0.0, 0.3)
    return built


def picture(height, width, *, batch=1):
    """Bright on one side and busy on the other, so that tiles differ in mean and in spread."""
    noise = torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(2))
    ramp = torch.linspace(-1, 1, width)
    return (0.4 * noise * (1 + ramp) / 2 - ramp * 0.6).clamp(-1, 1)


def assert_close(actual, expected):
    limit = 1e-4 * float(expected.abs().max())
    assert float((actual - expected).abs().max()) <= limit


@pytest.mark.parametrize("tile_size", [6, 1000])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_encode(vae, height, width, tile_size):
    image = picture(8 * height, 8 * width)
    posterior = vae_tiling.encode(vae, image, tile_size=tile_size)
    with torch.no_grad():
        expected = vae.encode(image).latent_dist
    assert_close(posterior.mean, expected.mean)
    assert_close(posterior.std, expected.std)


@pytest.mark.parametrize("tile_size", [6, 1000])
def test_normalisations_that_keep_the_layout_change_no_bit_on_the_cpu(vae, tile_size):
    image, latents = picture(8 * 9, 8 * 13), torch.randn(1, 4, 9, 13, generator=torch.Generator().manual_seed(3))
    other = copy.deepcopy(vae)
    keep_norms_channels_last(other)
    norms = [type(module) for module in other.modules() if isinstance(module, torch.nn.GroupNorm)]
    assert norms.count(torch.nn.GroupNorm) == 2, "those of the two attentions"
    assert list(other.state_dict()) == list(vae.state_dict())
    assert torch.equal(
        vae_tiling.encode(other, image, tile_size=tile_size).mean,
        vae_tiling.encode(vae, image, tile_size=tile_size).mean,
    )
    assert torch.equal(
        vae_tiling.decode(other, latents, tile_size=tile_size), vae_tiling.decode(vae, latents, tile_size=tile_size)
    )


@pytest.mark.parametrize("tile_size", [6, 1000])
def test_a_last_layer_in_float32_gives_pixels_of_all_values(vae, tile_size):
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    rounded = copy.deepcopy(vae).bfloat16()
    coarse = vae_tiling.decode(rounded, latents.bfloat16(), tile_size=tile_size)
    rounded.decoder.conv_out.float()
    fine = vae_tiling.decode(rounded, latents.bfloat16(), tile_size=tile_size)
    assert fine.dtype == torch.float32
    assert fine.unique().numel() > 10 * coarse.unique().numel()
    assert float((fine - coarse.float()).abs().max()) < 0.02 * float(fine.abs().max())


@pytest.mark.parametrize("tile_size", [6, 1000])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_decode(vae, height, width, tile_size):
    latents = torch.randn(1, 4, height, width, generator=torch.Generator().manual_seed(3))
    latents *= torch.linspace(0.1, 3, width)
    with torch.no_grad():
        expected = vae.decode(latents).sample
    assert_close(vae_tiling.decode(vae, latents, tile_size=tile_size), expected)


@pytest.mark.parametrize("part", ["encode", "decode"])
def test_levels_that_keep_nothing_give_the_same(monkeypatch, part):
    """Where not even the middle block sees the whole photo; at most rounding differs."""
    torch.manual_seed(6)
    built = AutoencoderKL(
        block_out_channels=(8, 8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        mid_block_add_attention=False,
    ).eval()
    source = picture(8 * 9, 8 * 13) if part == "encode" else torch.randn(1, 4, 9, 13)
    with torch.no_grad():
        expected = built.encode(source).latent_dist.mean if part == "encode" else built.decode(source).sample
    monkeypatch.setattr(vae_tiling, "WHOLE_PIXELS", 0)
    monkeypatch.setattr(vae_tiling, "KEPT_BYTES", 0)
    made = getattr(vae_tiling, part)(built, source, tile_size=6)
    assert_close(made if part == "decode" else made.mean, expected)


def test_several_pictures_at_once(vae):
    images = picture(72, 104, batch=2)
    images[1] *= 0.3
    posterior = vae_tiling.encode(vae, images, tile_size=6)
    with torch.no_grad():
        assert_close(posterior.mean, vae.encode(images).latent_dist.mean)


def test_tiles_bound_what_the_convolutions_see(vae):
    """No call of a convolutional level gets more than a tile and its surroundings."""
    seen = []
    handle = vae.decoder.up_blocks[-1].resnets[-1].register_forward_hook(lambda _m, _i, out: seen.append(out.shape[-1]))
    vae_tiling.decode(vae, torch.randn(1, 4, 6, 60), tile_size=8)
    handle.remove()
    assert max(seen) < 8 * 8 + 8 * 8 < 8 * 60


def test_normalisations_are_left_as_they_were(vae):
    vae_tiling.decode(vae, torch.randn(1, 4, 9, 13), tile_size=6)
    assert not any(module._forward_hooks for module in vae.modules())


def test_bfloat16(vae):
    half = AutoencoderKL.from_config(vae.config).eval()
    half.load_state_dict(vae.state_dict())
    half = half.bfloat16()
    latents = torch.randn(1, 4, 9, 13, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = vae.decode(latents).sample
        plain = half.decode(latents.bfloat16()).sample
    tiled = vae_tiling.decode(half, latents.bfloat16(), tile_size=6)
    assert tiled.dtype == torch.bfloat16
    assert float((tiled - expected).abs().mean()) < 1.2 * float((plain - expected).abs().mean())


@pytest.mark.parametrize("tile_size", [6, 1000])
@pytest.mark.parametrize("part", ["encode", "decode"])
def test_attention_outside_the_middle_is_refused(part, tile_size):
    attentive = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
        up_block_types=("AttnUpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"),
        norm_num_groups=4,
    )
    source = torch.zeros(1, 3, 64, 128) if part == "encode" else torch.zeros(1, 4, 8, 16)
    with pytest.raises(ValueError, match="attention outside its middle block"):
        getattr(vae_tiling, part)(attentive, source, tile_size=tile_size)


def test_posterior_sample():
    posterior = vae_tiling.Posterior(torch.full((1, 4, 2, 2), 3.0), torch.full((1, 4, 2, 2), 0.5))
    assert torch.equal(posterior.sample(torch.full((1, 4, 2, 2), 2.0), 0.25), torch.ones(1, 4, 2, 2))
