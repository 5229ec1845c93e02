"""The VAE as a restorer runs it: the same bits, recorded where a photo is one tile, rounded where it may be."""

import pytest
import torch
from plain_recorder import PlainRecorder

from pasd_batch.pasd import vae_tiling
from pasd_batch.pasd.cuda_graphs import NetworkGraphs
from pasd_batch.pasd.tiled_features import TensorSource
from pasd_batch.pasd.vae_runner import VaeRunner
from pasd_batch.pasd.vae_tiling import Posterior

WHOLE, IN_TILES = 16, 6
PICTURE, LATENTS = (1, 3, 64, 96), (1, 4, 8, 12)


def moments(vae, image, tile_size):
    with vae.encoding(TensorSource(image, image.device), tile_size=tile_size) as made:
        return made.whole()


def decoded(vae, latents, tile_size):
    with vae.decoding(TensorSource(latents, latents.device), tile_size=tile_size) as made:
        return made.whole()


def draw(seed, shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
@pytest.mark.parametrize(("tile_size", "recordings"), [(WHOLE, 2), (IN_TILES, 0)])
def test_no_bit_changes_and_only_whole_photos_are_recorded(models, tile_size, recordings):
    graphs = NetworkGraphs(PlainRecorder())
    vae = VaeRunner(models.vae, tf32=True, graphs=graphs)
    for seed in range(3):
        image, latents = draw(seed, PICTURE), draw(seed, LATENTS)
        found, expected = (moments(each, image, tile_size) for each in (vae, VaeRunner(models.vae, tf32=True)))
        assert torch.equal(found, expected)
        plain = vae_tiling.encode(models.vae, image, tile_size=tile_size)
        assert torch.equal(Posterior.of(expected).mean, plain.mean)
        assert torch.equal(Posterior.of(expected).std, plain.std)
        pixels = decoded(vae, latents, tile_size)
        assert torch.equal(pixels, vae_tiling.decode(models.vae, latents, tile_size=tile_size))
    assert graphs.recordings == recordings


@torch.inference_mode()
def test_encoding_and_decoding_of_like_shapes_are_told_apart(models):
    graphs = NetworkGraphs(PlainRecorder())
    vae = VaeRunner(models.vae, tf32=True, graphs=graphs)
    for side in (64, 128, 64, 128, 64):
        assert moments(vae, draw(1, (1, 3, side, side)), WHOLE).shape[-1] == side // 8
        assert decoded(vae, draw(1, (1, 4, side // 8, side // 8)), WHOLE).shape[-1] == side
    assert graphs.recordings == 4


@torch.inference_mode()
@pytest.mark.parametrize("tf32", [True, False])
def test_float32_is_multiplied_as_it_is_told(models, tf32):
    def allowed():
        return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

    before, seen = allowed(), []
    vae = VaeRunner(models.vae, tf32=tf32)
    with (
        models.vae.encoder.conv_in.register_forward_pre_hook(lambda *_: seen.append(allowed())),
        models.vae.decoder.conv_out.register_forward_pre_hook(lambda *_: seen.append(allowed())),
    ):
        moments(vae, draw(1, PICTURE), WHOLE)
        decoded(vae, draw(1, LATENTS), WHOLE)
    assert seen == [(tf32, tf32)] * 2
    assert allowed() == before
