"""A PASD from scratch whose first prediction is the degraded photo itself."""

import pytest
import torch
from photo_crops import astronaut_crops

from pasd_batch.config.losses import PredictionType
from pasd_batch.config.model import Precision
from pasd_batch.config.training_model import FromScratch
from pasd_batch.config.training_vae import VaeSizes
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.networks.first_prediction import predict_degraded_photo
from pasd_batch.training.networks.initialization import initial_networks
from pasd_batch.training.networks.model_files import network_files
from pasd_batch.training.networks.principal_components import initialise_encoder
from pasd_batch.training.objectives.diffusion import diffuse, predicted_latents
from pasd_batch.training.objectives.vae_objective import build_vae

CHANNELS = 12
UNET = {"text_attention": (False, True), "heads": 2, "norm_groups": 4, "layers_per_block": 1}


@pytest.fixture(scope="module")
def crops():
    return torch.stack(astronaut_crops())


@pytest.fixture(scope="module")
def vae_folder(crops, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    torch.manual_seed(0)
    vae = build_vae(VaeSizes(latent_channels=CHANNELS, widths=(16, 24, 32, 48), norm_groups=2))
    initialise_encoder(vae, list(crops))
    for name, data in network_files("vae", vae, Precision.FLOAT32):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def fresh(vae_folder, prediction=PredictionType.V_PREDICTION, width=32, embedding=(16, 24, 32, 64)):
    start = FromScratch(
        vae=vae_folder,
        unet={
            "widths": (width, 16),
            "text_attention": (False, True),
            "heads": 2,
            "norm_groups": 4,
            "layers_per_block": 1,
        },
        text_encoder={"width": 16},
        branch={"conditioning_embedding_out_channels": embedding},
        schedule={"beta_end": 0.0042},
    )
    return initial_networks(start, prediction, seed=0)


@torch.no_grad()
def restored(networks, degraded, timestep):
    """Clean latents as predicted in one step from noisy ones, and the degraded photo's own."""
    own = networks.vae.config["scaling_factor"] * networks.vae.encode(degraded).latent_dist.mean
    timesteps = torch.full((len(degraded),), timestep)
    noise = torch.randn(own.shape, generator=torch.Generator().manual_seed(4))
    noisy = diffuse(own, noise, timesteps, networks.alphas_cumprod)
    texts = torch.zeros(len(degraded), 3, 16)
    seen = networks.control_branch.controlnet_cond_embedding(degraded / 2.0 + 0.5)
    residuals = networks.control_branch(noisy, timesteps, texts, seen.embedding)
    prediction = networks.unet(noisy, timesteps, texts, residuals)
    kind = PredictionType(networks.scheduler_config["prediction_type"])
    return predicted_latents(noisy, prediction, timesteps, networks.alphas_cumprod, kind), own


@pytest.mark.parametrize("prediction", list(PredictionType))
def test_one_step_from_the_last_timestep_gives_the_degraded_photo(crops, vae_folder, prediction):
    networks = fresh(vae_folder, prediction)
    degraded = torch.nn.functional.avg_pool2d(crops[:6], 5, stride=1, padding=2)
    before = restored(networks, degraded, 999)
    predict_degraded_photo(networks, crops)
    found, own = restored(networks, degraded, 999)
    size = float(own.square().mean())
    assert float((found - own).square().mean()) < 0.02 * size
    assert float((before[0] - own).square().mean()) > 0.2 * size, "what a random start would give"


def test_every_network_still_learns(crops, vae_folder):
    networks = fresh(vae_folder)
    predict_degraded_photo(networks, crops)
    timesteps, texts = torch.tensor([300]), torch.zeros(1, 3, 16)
    seen = networks.control_branch.controlnet_cond_embedding(crops[:1] / 2.0 + 0.5)
    noisy = torch.randn(1, CHANNELS, 8, 8, generator=torch.Generator().manual_seed(1))
    residuals = networks.control_branch(noisy, timesteps, texts, seen.embedding)
    networks.unet(noisy, timesteps, texts, residuals).square().mean().backward()
    for network in (networks.unet.conv_out, networks.unet.up_blocks[-1].resnets[-1].conv2, networks.control_branch):
        assert all(torch.isfinite(tensor.grad).all() for tensor in network.parameters() if tensor.grad is not None)
        assert any(tensor.grad is not None and tensor.grad.any() for tensor in network.parameters())
    learning = networks.control_branch.controlnet_cond_embedding.blocks
    assert all(block.weight.grad.any() for block in learning)


def test_a_unet_too_narrow_is_refused_with_the_numbers(crops, vae_folder):
    with pytest.raises(TrainingError, match=r"room for 8 latent channels with unet.widths\[0\] 24 .* the VAE has 12"):
        predict_degraded_photo(fresh(vae_folder, width=24, embedding=(16, 24, 32, 64)), crops)


def test_an_embedding_too_narrow_is_refused_with_the_numbers(crops, vae_folder):
    with pytest.raises(TrainingError, match=r"\[16, 24, 32, 24\] is too narrow for 12 latent channels"):
        predict_degraded_photo(fresh(vae_folder, embedding=(16, 24, 32, 24)), crops)
