"""A decoder that starts as linear algebra: no other linear map gives the training photos back more closely."""

import pytest
import torch
from photo_crops import astronaut_crops

from pasd_batch.config.training_vae import VaeSizes
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.networks.linear_decoder import initialise_decoder
from pasd_batch.training.networks.principal_components import initialise_encoder
from pasd_batch.training.objectives.vae_objective import build_vae

SIZES = VaeSizes(latent_channels=12, widths=(16, 24, 48, 64), norm_groups=2, upsampling="pixel_shuffle")


@pytest.fixture(scope="module")
def crops():
    return astronaut_crops()


@pytest.fixture(scope="module")
def vae(crops):
    torch.manual_seed(0)
    vae = build_vae(SIZES)
    initialise_encoder(vae, crops)
    initialise_decoder(vae, crops)
    return vae


def blocks(pictures):
    return torch.nn.functional.pixel_unshuffle(pictures, 8).permute(0, 2, 3, 1).flatten(0, 2).double()


def test_it_decodes_as_closely_as_the_best_linear_map(vae, crops):
    photos = torch.stack(crops)
    with torch.no_grad():
        decoded = vae.decode(vae.encode(photos).latent_dist.mean).sample
    error = float((decoded - photos).square().mean())
    best = torch.linalg.svdvals(blocks(photos) - blocks(photos).mean(dim=0))[12:].square().sum() / photos.numel()
    assert float(best) <= error < 1.1 * float(best)


def test_all_that_learns_can_learn(vae):
    photo = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    (vae.decode(vae.encode(photo).latent_dist.mean).sample - photo).square().mean().backward()
    still = {name for name, tensor in vae.decoder.named_parameters() if not tensor.grad.any()}
    # What stands before a branch's last convolution, which starts at zero, learns from the second step on.
    assert all(any(part in name for part in ("norm1", "conv1", "norm2")) for name in still), still


def test_a_level_too_narrow_is_refused_with_the_numbers(crops):
    narrow = build_vae(SIZES.model_copy(update={"widths": (16, 24, 32, 64)}))
    with pytest.raises(TrainingError, match=r"\[16, 24, 32, 64\]; decoder: linear needs at least \[3, 12, 48, 48\]"):
        initialise_decoder(narrow, crops)
