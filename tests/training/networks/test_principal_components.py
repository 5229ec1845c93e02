"""An encoder that starts as principal components: what it encodes is what linear algebra gives, at any place."""

import pytest
import torch
from photo_crops import astronaut_crops

from pasd_batch.config.training_vae import VaeSizes
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.networks.principal_components import initialise_encoder, principal_components
from pasd_batch.training.objectives.vae_objective import build_vae

SIZES = VaeSizes(latent_channels=12, widths=(16, 24, 32, 48), norm_groups=2)


@pytest.fixture(scope="module")
def crops():
    return astronaut_crops()


@pytest.fixture(scope="module")
def vae(crops):
    torch.manual_seed(0)
    vae = build_vae(SIZES)
    initialise_encoder(vae, crops)
    return vae


@torch.no_grad()
def encode(vae, crops):
    return vae.encode(torch.stack(list(crops))).latent_dist


def test_components_are_those_of_largest_variance():
    samples = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5.0, 3.0]) + 2.0
    found = principal_components(samples, 2)
    assert torch.allclose(found.rows.abs(), torch.tensor([[0.0, 1, 0], [0, 0, 1]]).double(), atol=0.05)
    assert torch.allclose(found.deviations, torch.tensor([5.0, 3.0]).double(), rtol=0.05)


def test_latents_keep_nearly_what_the_best_linear_map_of_their_size_keeps(vae, crops):
    latents = encode(vae, crops).mean.permute(0, 2, 3, 1).flatten(0, 2).double()
    blocks = torch.nn.functional.pixel_unshuffle(torch.stack(crops), 8).permute(0, 2, 3, 1).flatten(0, 2).double()
    with_intercept = torch.cat([latents, torch.ones(len(latents), 1)], dim=1)
    error = blocks - with_intercept @ torch.linalg.lstsq(with_intercept, blocks).solution
    best = torch.linalg.svdvals(blocks - blocks.mean(dim=0))[12:].square().sum() / blocks.numel()
    assert float(best) <= float(error.square().mean()) < 1.1 * float(best)


def test_latents_have_unit_size_and_a_little_noise(vae, crops):
    posterior = encode(vae, crops)
    assert float(posterior.mean.square().mean()) == pytest.approx(1.0, rel=0.1)
    assert torch.allclose(posterior.std, torch.tensor(0.1))
    assert vae.config["scaling_factor"] == 1.0


def test_a_place_is_encoded_the_same_whatever_surrounds_it(vae, crops):
    whole = encode(vae, [torch.cat(list(crops[:2]), dim=2)]).mean
    apart = encode(vae, crops[:2]).mean
    assert torch.allclose(whole, torch.cat(list(apart), dim=2)[None], atol=2e-2)


def test_a_level_too_narrow_is_refused_with_the_numbers(crops):
    with pytest.raises(TrainingError, match=r"latent_channels is 24, .* has room for 22"):
        initialise_encoder(build_vae(SIZES.model_copy(update={"latent_channels": 24})), crops)


def test_a_last_level_no_wider_than_the_one_before_is_refused(crops):
    with pytest.raises(TrainingError, match=r"\[16, 24, 48, 48\]; the last level must be wider"):
        initialise_encoder(build_vae(SIZES.model_copy(update={"widths": (16, 24, 48, 48)})), crops)
