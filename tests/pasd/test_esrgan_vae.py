"""A VAE of a linear encoder and ESRGAN's upsampling layers: loaded as what it is, and exact in tiles."""

import pytest
import torch

from pasd_batch.pasd import vae_tiling
from pasd_batch.pasd.checkpoint import load_vae
from pasd_batch.pasd.esrgan_vae import EsrganVae


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(1)
    return EsrganVae(
        latent_channels=5,
        block_out_channels=(8,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=2,
    ).eval()


@torch.no_grad()
def test_it_is_saved_and_loaded_as_what_it_is(vae, tmp_path):
    vae.save_pretrained(tmp_path)
    loaded = load_vae(tmp_path)
    assert isinstance(loaded, EsrganVae)
    latents = torch.randn(1, 5, 3, 4)
    assert torch.equal(loaded.decode(latents).sample, vae.decode(latents).sample)


@torch.no_grad()
def test_its_latents_are_an_eighth_and_have_no_noise(vae):
    photo = torch.rand(2, 3, 24, 40)
    posterior = vae.encode(photo).latent_dist
    assert posterior.mean.shape == (2, 5, 3, 5)
    assert float(posterior.std.max()) < 1e-6
    assert vae.decode(posterior.mean).sample.shape == photo.shape


@torch.no_grad()
def test_tiles_give_what_the_whole_photo_gives(vae):
    photo, latents = torch.rand(1, 3, 96, 136) * 2 - 1, torch.randn(1, 5, 12, 17)
    encoded = vae_tiling.encode(vae, photo, tile_size=4)
    torch.testing.assert_close(encoded.mean, vae.encode(photo).latent_dist.mean, rtol=1e-5, atol=1e-6)
    decoded = vae_tiling.decode(vae, latents, tile_size=4)
    torch.testing.assert_close(decoded, vae.decode(latents).sample, rtol=1e-5, atol=1e-6)
