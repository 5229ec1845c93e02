"""A decoder that tells the pixels of a block apart; otherwise diffusers' VAE, saved and loaded as one."""

import json

import pytest
import torch
from diffusers import AutoencoderKL

from pasd_batch.pasd import vae_tiling
from pasd_batch.pasd.checkpoint import load_vae
from pasd_batch.pasd.pixel_shuffle_vae import PixelShuffleVae

SIZES = {
    "block_out_channels": (8, 16, 24, 32),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 1,
    "latent_channels": 6,
    "norm_num_groups": 2,
    "mid_block_add_attention": False,
}


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(1)
    return PixelShuffleVae(**SIZES).eval()


def spread_within_blocks(vae):
    """How much the pixels of an 8x8 block far from all borders differ where the latents are the same everywhere."""
    latents = torch.randn(1, 6, 1, 1, generator=torch.Generator().manual_seed(2)).expand(1, 6, 24, 24)
    with torch.no_grad():
        decoded = vae.decode(latents).sample
    return float(decoded[0, :, 88:96, 88:96].std(dim=(1, 2)).max())


def test_a_plain_area_of_latents_may_have_a_texture(vae):
    assert spread_within_blocks(vae) > 0.01


def test_diffusers_own_decoder_cannot_do_that():
    torch.manual_seed(1)
    assert spread_within_blocks(AutoencoderKL(**SIZES).eval()) < 1e-4


def test_it_is_saved_and_loaded_as_what_it_is(vae, tmp_path):
    vae.save_pretrained(tmp_path)
    loaded = load_vae(tmp_path)
    assert isinstance(loaded, PixelShuffleVae)
    assert {name: loaded.config[name] for name in SIZES if name != "block_out_channels"} == {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in SIZES.items()
        if name != "block_out_channels"
    }
    latents = torch.randn(1, 6, 3, 5)
    with torch.no_grad():
        assert torch.equal(loaded.decode(latents).sample, vae.decode(latents).sample)


@pytest.mark.parametrize("named", [True, False])
def test_other_folders_hold_stable_diffusions_vae(tmp_path, named):
    AutoencoderKL(**SIZES).save_pretrained(tmp_path)
    if not named:
        config = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps({key: config[key] for key in config if key[0] != "_"}))
    assert type(load_vae(tmp_path)) is AutoencoderKL


def test_tiles_give_what_the_whole_gives(vae):
    latents = torch.randn(1, 6, 9, 13, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = vae.decode(latents).sample
    tiled = vae_tiling.decode(vae, latents, tile_size=6)
    assert float((tiled - expected).abs().max()) < 1e-4 * float(expected.abs().max())
