"""The plain VAE, through the functions that also tile it."""

import golden_data
import pytest
from diffusers import AutoencoderKL
from golden_data import model_folder

from pasd_batch.pasd import vae_tiling


@pytest.mark.parametrize("tile_size", [256, 5])
@pytest.mark.parametrize("name", golden_data.names("vae"))
def test_vae(name: str, tile_size: int):
    golden = golden_data.load(name)
    vae = AutoencoderKL.from_pretrained(model_folder(golden.description["models"])).float().eval()
    posterior = vae_tiling.encode(vae, 2 * (golden.tensors["image_u8"] / 255) - 1, tile_size=tile_size)
    golden.check(posterior.mean, "mean")
    golden.check(posterior.std, "std")
    latents = golden.tensors["latents"] / golden.description["scaling_factor"]
    golden.check(vae_tiling.decode(vae, latents, tile_size=tile_size), "decoded")
