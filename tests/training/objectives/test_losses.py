"""The training objective: its terms, their weights, and gradients that stay finite."""

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from pasd_batch.config.losses import LossSettings, PredictionType
from pasd_batch.training.objectives.diffusion import diffuse, prediction_target
from pasd_batch.training.objectives.losses import (
    Denoised,
    colorfulness_losses,
    degradation_removal_losses,
    denoising_loss,
    pasd_loss,
    resize_target,
)

ALPHAS = torch.linspace(0.999, 0.005, 1000)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def pyramid(photos: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Clean pictures in [-1, 1] and imperfect outputs at 1/2, 1/4 and 1/8."""
    clean = 2.0 * photos - 1.0
    sizes = [(64 // scale, 80 // scale) for scale in (2, 4, 8)]
    return clean, [resize_target(clean, clean.new_zeros(3, 3, *size)) + 0.1 for size in sizes]


def test_total_is_the_weighted_sum(pyramid: tuple[Tensor, list[Tensor]]) -> None:
    clean, rgbs = pyramid
    prediction, target = normal(3, 4, 8, 10), normal(3, 4, 8, 10, seed=1)
    settings = LossSettings(denoising=0.5, gamma=2.0, colorfulness=0.001)
    loss = pasd_loss(Denoised(prediction, target), rgbs, clean, settings)
    color = torch.stack(colorfulness_losses(rgbs)).sum()
    expected = 0.5 * denoising_loss(prediction, target) + 2.0 * 3 * 0.1 + 0.001 * 3 * color
    assert float(loss.total) == pytest.approx(float(expected), rel=1e-5)
    assert [float(part) for part in loss.degradation_removal] == pytest.approx([0.1] * 3, rel=1e-4)


def test_a_term_of_weight_zero_is_not_computed(pyramid: tuple[Tensor, list[Tensor]]) -> None:
    clean, rgbs = pyramid
    prediction, target = normal(3, 4, 8, 10), normal(3, 4, 8, 10, seed=1)
    only_removal = pasd_loss(None, rgbs, clean, LossSettings(denoising=0.0))
    assert only_removal.denoising is None
    assert float(only_removal.total) == pytest.approx(0.3, rel=1e-4)
    only_denoising = pasd_loss(Denoised(prediction, target), rgbs, clean, LossSettings(gamma=0.0))
    assert only_denoising.degradation_removal == ()
    assert float(only_denoising.total) == float(denoising_loss(prediction, target))


def test_a_prediction_that_counts_must_be_there(pyramid: tuple[Tensor, list[Tensor]]) -> None:
    clean, rgbs = pyramid
    with pytest.raises(ValueError, match=r"L_DF has the weight 0\.5"):
        pasd_loss(None, rgbs, clean, LossSettings(denoising=0.5))


def test_without_to_rgb_outputs_only_the_denoiser_counts(photos: Tensor) -> None:
    prediction, target = normal(3, 4, 8, 10), normal(3, 4, 8, 10, seed=1)
    loss = pasd_loss(Denoised(prediction, target), (), photos, LossSettings(colorfulness=0.001))
    assert float(loss.total) == float(denoising_loss(prediction, target))


def test_nothing_to_train_is_refused() -> None:
    with pytest.raises(ValidationError, match="there is nothing to train"):
        LossSettings(denoising=0.0, gamma=0.0)


def test_targets_are_resized_without_antialiasing() -> None:
    """At 1/8, bilinear sampling sees only the two middle pixels of each eight."""
    clean = torch.zeros(1, 3, 16, 16)
    clean[..., 0] = 1.0
    assert float(resize_target(clean, torch.zeros(1, 3, 2, 2)).abs().max()) == 0.0


def test_gray_pictures_cost_most_and_have_finite_gradients() -> None:
    gray = torch.full((2, 3, 8, 8), 0.3, requires_grad=True)
    vivid = torch.zeros(2, 3, 8, 8)
    vivid[:, 0, :4] = 1.0
    (gray_loss,), (vivid_loss,) = colorfulness_losses([gray]), colorfulness_losses([vivid])
    assert float(gray_loss.detach()) == pytest.approx(2.0, abs=1e-4)
    assert float(vivid_loss) < 1.6
    gray_loss.backward()
    assert gray.grad is not None
    assert bool(gray.grad.isfinite().all())


def test_colourfulness_follows_its_formula(photos: Tensor) -> None:
    rgb = photos[:1].double()
    red, green, blue = rgb[0]
    rg, yb = (red - green).abs(), ((red + green) / 2 - blue).abs()
    spread = (rg.std().square() + yb.std().square()).sqrt()
    shift = (rg.mean().square() + yb.mean().square()).sqrt()
    (loss,) = colorfulness_losses([photos[:1]])
    assert float(loss) == pytest.approx(float(1.0 - (spread + 0.3 * shift)), rel=1e-5)


def test_epsilon_and_velocity_recover_latents_and_noise() -> None:
    latents, noise = normal(4, 4, 6, 6), normal(4, 4, 6, 6, seed=1)
    timesteps = torch.tensor([0, 250, 500, 999])
    noised = diffuse(latents, noise, timesteps, ALPHAS)
    assert prediction_target(latents, noise, timesteps, ALPHAS, PredictionType.EPSILON) is noise
    velocity = prediction_target(latents, noise, timesteps, ALPHAS, PredictionType.V_PREDICTION)
    alpha = ALPHAS[timesteps].view(-1, 1, 1, 1)
    assert torch.allclose(alpha.sqrt() * noised - (1 - alpha).sqrt() * velocity, latents, atol=1e-5)
    assert torch.allclose((1 - alpha).sqrt() * noised + alpha.sqrt() * velocity, noise, atol=1e-5)


def test_losses_are_in_float32_for_half_precision_networks(pyramid: tuple[Tensor, list[Tensor]]) -> None:
    clean, rgbs = pyramid
    prediction, target = normal(3, 4, 8, 10), normal(3, 4, 8, 10, seed=1)
    halves = [rgb.bfloat16() for rgb in rgbs]
    loss = pasd_loss(Denoised(prediction.bfloat16(), target), halves, clean, LossSettings())
    assert loss.denoising is not None
    assert loss.denoising.dtype == torch.float32
    assert degradation_removal_losses(halves, clean)[0].dtype == torch.float32
