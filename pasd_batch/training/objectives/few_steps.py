"""Sampling within a training step, in one step or a few, from the same start as restoration."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from pasd_batch.config.losses import PredictionType
from pasd_batch.training.objectives.diffusion import Latents, diffuse, predicted_latents

SPACING = "trailing"
"""Timesteps as samplers place so few of them: from the last timestep on (arXiv 2305.08891, section 3.3)."""

_SMALLEST_SHARE = 1e-6

Denoise = Callable[[Latents, Int64[Tensor, " batch"]], Latents]
"""A denoiser's prediction for noisy latents at each sample's timestep."""


def trailing_timesteps(count: int, steps: int) -> tuple[int, ...]:
    """The timesteps that diffusers' samplers visit with `timestep_spacing: trailing`, of `count` in all."""
    return tuple(round(count * (steps - index) / steps) - 1 for index in range(steps))


def draw_alpha_a(fractions: Float[Tensor, " batch"], pure_noise_share: float) -> Float[Tensor, " batch"]:
    """alpha_a for each sample from uniform numbers: 0 for a share of them, uniform in [0, 1] for the others."""
    others = max(1.0 - pure_noise_share, _SMALLEST_SHARE)
    return ((fractions - pure_noise_share) / others).clamp(min=0.0, max=1.0)


def sampling_start(
    latents: Latents,
    alpha_a: Float[Tensor, " batch"],
    noises: tuple[Latents, Latents],
    timestep: Int64[Tensor, " batch"],
    alphas_cumprod: Float[Tensor, " steps"],
) -> Latents:
    """The degraded photos' latents noised to a timestep and then by alpha_a (arXiv 2308.14469, section 3.4)."""
    noisy = diffuse(latents, noises[0], timestep, alphas_cumprod)
    alpha = alpha_a.view(-1, 1, 1, 1)
    return alpha.sqrt() * noisy + (1.0 - alpha).sqrt() * noises[1]


def sampled_latents(
    denoise: Denoise,
    start: Latents,
    timesteps: Sequence[int],
    alphas_cumprod: Float[Tensor, " steps"],
    prediction_type: PredictionType,
) -> Latents:
    """Clean latents predicted at the last of these timesteps, after DDIM steps (arXiv 2010.02502) to it.

    Only the last prediction carries gradients, so that a chain costs no more memory than one step.
    """

    def clean(noisy: Latents, timestep: int) -> Latents:
        at = torch.full((len(noisy),), timestep, device=noisy.device)
        return predicted_latents(noisy, denoise(noisy, at).float(), at, alphas_cumprod, prediction_type)

    noisy = start
    with torch.no_grad():
        for timestep, following in pairwise(timesteps):
            noisy = _ddim_step(noisy, clean(noisy, timestep), timestep, following, alphas_cumprod)
    return clean(noisy, timesteps[-1])


def _ddim_step(noisy: Latents, clean: Latents, timestep: int, following: int, alphas_cumprod: Tensor) -> Latents:
    signal, next_signal = alphas_cumprod[timestep], alphas_cumprod[following]
    noise = (noisy - signal.sqrt() * clean) / (1.0 - signal).sqrt()
    return next_signal.sqrt() * clean + (1.0 - next_signal).sqrt() * noise
