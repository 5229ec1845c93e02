"""A PASD that begins as some blocks of Real-ESRGAN: its first restoration is their picture."""

import pytest
import torch
from photo_crops import astronaut_crops
from torch.nn.functional import interpolate

from pasd_batch.config.losses import PredictionType
from pasd_batch.config.training_model import FromRealEsrgan
from pasd_batch.pasd.state_dict import CheckpointError
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.networks.from_real_esrgan import connect, take_layers
from pasd_batch.training.networks.initialization import initial_networks
from pasd_batch.training.networks.teacher import RrdbNet
from pasd_batch.training.objectives.diffusion import diffuse, predicted_latents

CHANNELS = 32


@pytest.fixture(scope="module")
def photos():
    """Four photos of 16 latent pixels each: 63 components hold all of their features."""
    return torch.stack(astronaut_crops())[:4, :, :32, :32] / 2.0 + 0.5


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(3)
    return RrdbNet(blocks=3).eval()


def fresh(width=80):
    sizes = {"widths": (width, 16), "text_attention": (False, True), "heads": 2, "norm_groups": 8}
    start = FromRealEsrgan(
        generator="unused.safetensors",
        blocks=(0, 2),
        latent_channels=CHANNELS,
        unet={**sizes, "layers_per_block": 1},
        text_encoder={"width": 16},
        schedule={"beta_end": 0.0042},
    )
    return initial_networks(start, PredictionType.V_PREDICTION, seed=0)


@torch.no_grad()
def generated(networks, photos):
    """The picture of the generator's layers in the networks, without latents between them."""
    removal, decoder = networks.control_branch.controlnet_cond_embedding, networks.vae.decoder
    features = removal.features(photos)
    for convolution in (decoder.conv_up1, decoder.conv_up2):
        features = torch.nn.functional.leaky_relu(convolution(interpolate(features, scale_factor=2.0)), 0.2)
    return decoder.conv_out(torch.nn.functional.leaky_relu(decoder.conv_hr(features), 0.2))


@torch.no_grad()
def restored(networks, photos):
    """The picture that one step from the last timestep gives."""
    own = networks.vae.encode(2.0 * photos - 1.0).latent_dist.mean
    timesteps, texts = torch.full((len(photos),), 999), torch.zeros(len(photos), 3, 16)
    noisy = diffuse(own, torch.randn_like(own), timesteps, networks.alphas_cumprod)
    seen = networks.control_branch.controlnet_cond_embedding(photos)
    residuals = networks.control_branch(noisy, timesteps, texts, seen.embedding)
    prediction = networks.unet(noisy, timesteps, texts, residuals)
    kind = PredictionType(networks.scheduler_config["prediction_type"])
    latents = predicted_latents(noisy, prediction, timesteps, networks.alphas_cumprod, kind)
    return networks.vae.decode(latents).sample, latents, own


def test_the_first_restoration_is_the_picture_of_the_kept_blocks(generator, photos):
    networks = fresh()
    take_layers(networks, generator, (0, 2))
    connect(networks, photos)
    picture, latents, own = restored(networks, photos)
    wanted = generated(networks, photos)
    error = float((picture - wanted).square().mean() / wanted.var())
    assert error < 0.01, "what latents of half the components lose"
    distance = float((latents - own).square().mean() / latents.square().mean())
    assert distance < 0.3, "the encoder's latents are near"


def test_the_kept_layers_are_the_generators(generator):
    """Photos that are 4x4 pixels of one colour show it: their mean is the generator's small photo."""
    networks = fresh()
    take_layers(networks, generator, (0, 2))
    small = torch.rand(1, 3, 8, 8)
    features = networks.control_branch.controlnet_cond_embedding.features(interpolate(small, scale_factor=4.0))
    first = generator.conv_first(small)
    kept = generator.body[2](generator.body[0](first))
    torch.testing.assert_close(features, first + generator.conv_body(kept), rtol=1e-4, atol=1e-5)


def test_a_unet_too_narrow_is_refused_with_the_numbers(generator, photos):
    networks = fresh(width=48)
    take_layers(networks, generator, (0, 2))
    with pytest.raises(TrainingError, match=r"room for 16 latent channels with unet.widths\[0\] 48 .* has 32"):
        connect(networks, photos)


def test_blocks_that_the_generator_lacks_are_refused(generator):
    with pytest.raises(CheckpointError, match=r"3 blocks, numbered from 0, and not \[7\]"):
        take_layers(fresh(), generator, (0, 7))


def test_a_generator_of_other_width_is_refused():
    with pytest.raises(CheckpointError, match="have 16 channels and add 8; they should have 64 and add 32"):
        take_layers(fresh(), RrdbNet(features=16, growth=8, blocks=3), (0, 2))
