"""A fresh UNet whose first prediction is what the control branch hands it."""

import pytest
import torch

from pasd_batch.config.losses import PredictionType
from pasd_batch.config.training_model import FromRealEsrgan
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.networks.first_prediction import predict_latents
from pasd_batch.training.networks.initialization import initial_networks
from pasd_batch.training.objectives.diffusion import predicted_latents

CHANNELS = 12


def fresh(prediction=PredictionType.V_PREDICTION, width=32):
    sizes = {"widths": (width, 16), "text_attention": (False, True), "heads": 2, "norm_groups": 4}
    start = FromRealEsrgan(
        generator="unused.safetensors",
        blocks=(0,),
        latent_channels=CHANNELS,
        unet={**sizes, "layers_per_block": 1},
        text_encoder={"width": 16},
        schedule={"beta_end": 0.0042},
    )
    return initial_networks(start, prediction, seed=0)


def predicted(networks, latents):
    """What the networks predict at the last timestep where the embedding holds these latents."""
    timesteps, texts = torch.full((len(latents),), 999), torch.zeros(len(latents), 3, 16)
    noisy = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
    embedding = torch.zeros(len(latents), 32, *latents.shape[2:])
    embedding[:, CHANNELS : 2 * CHANNELS] = latents
    residuals = networks.control_branch(noisy, timesteps, texts, embedding)
    prediction = networks.unet(noisy, timesteps, texts, residuals)
    kind = PredictionType(networks.scheduler_config["prediction_type"])
    return predicted_latents(noisy, prediction, timesteps, networks.alphas_cumprod, kind)


@pytest.fixture
def latents():
    return torch.randn(2, CHANNELS, 8, 8, generator=torch.Generator().manual_seed(0))


def relative_error(found, wanted):
    return float((found - wanted).square().mean() / wanted.square().mean())


@torch.no_grad()
@pytest.mark.parametrize("prediction", list(PredictionType))
def test_one_step_from_the_last_timestep_gives_the_latents(latents, prediction):
    networks = fresh(prediction)
    before = relative_error(predicted(networks, latents), latents)
    predict_latents(networks)
    error = relative_error(predicted(networks, latents), latents)
    assert error < 0.01, "what normalisation next to constant channels changes"
    assert before > 0.2, "what a random start would give"


def test_both_networks_still_learn(latents):
    networks = fresh()
    predict_latents(networks)
    predicted(networks, latents).square().mean().backward()
    for network in (networks.unet.conv_out, networks.unet.up_blocks[-1].resnets[-1].conv2, networks.control_branch):
        gradients = [tensor.grad for tensor in network.parameters() if tensor.grad is not None]
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
        assert any(gradient.any() for gradient in gradients)


def test_a_unet_too_narrow_is_refused_with_the_numbers():
    with pytest.raises(TrainingError, match=r"room for 8 latent channels with unet.widths\[0\] 24 .* the VAE has 12"):
        predict_latents(fresh(width=24))
