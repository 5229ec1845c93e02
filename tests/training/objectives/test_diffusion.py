"""Forward diffusion, and back."""

import pytest
import torch

from pasd_batch.config.losses import PredictionType
from pasd_batch.training.objectives.diffusion import diffuse, noise_towards, predicted_latents, prediction_target


@pytest.mark.parametrize("kind", list(PredictionType))
def test_a_perfect_prediction_gives_the_clean_latents_back(kind):
    generator = torch.Generator().manual_seed(0)
    latents, noise = (torch.randn(3, 4, 8, 8, generator=generator, dtype=torch.float64) for _ in range(2))
    alphas = torch.linspace(0.999, 0.1, 10, dtype=torch.float64)
    timesteps = torch.tensor([0, 5, 9])
    noisy = diffuse(latents, noise, timesteps, alphas)
    prediction = prediction_target(latents, noise, timesteps, alphas, kind)
    assert torch.allclose(predicted_latents(noisy, prediction, timesteps, alphas, kind), latents, atol=1e-12)
    assert not torch.allclose(predicted_latents(noisy, prediction + 0.1, timesteps, alphas, kind), latents, atol=1e-2)


def test_noise_that_leads_from_other_latents_to_the_same_place():
    generator = torch.Generator().manual_seed(1)
    latents, origin, noise = (torch.randn(3, 4, 8, 8, generator=generator, dtype=torch.float64) for _ in range(3))
    alphas = torch.linspace(0.999, 0.1, 10, dtype=torch.float64)
    timesteps = torch.tensor([0, 5, 9])
    found = noise_towards(latents, origin, noise, timesteps, alphas)
    expected = diffuse(origin, noise, timesteps, alphas)
    assert torch.allclose(diffuse(latents, found, timesteps, alphas), expected, atol=1e-12)
    assert not torch.allclose(diffuse(latents, noise, timesteps, alphas), expected, atol=0.1)
