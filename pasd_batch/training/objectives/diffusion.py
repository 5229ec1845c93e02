"""Forward diffusion of training: noised latents, prediction targets, and the latents that a prediction implies."""

from jaxtyping import Float, Int64
from torch import Tensor

from pasd_batch.config.losses import PredictionType

Latents = Float[Tensor, "batch channels height width"]


def diffuse(
    latents: Latents,
    noise: Latents,
    timesteps: Int64[Tensor, " batch"],
    alphas_cumprod: Float[Tensor, " steps"],
) -> Latents:
    """Noised latents z_t = sqrt(abar_t) z + sqrt(1 - abar_t) noise, with a timestep per sample."""
    alpha = _per_sample(alphas_cumprod, timesteps, latents)
    return alpha.sqrt() * latents + (1.0 - alpha).sqrt() * noise


def noise_towards(
    latents: Latents,
    origin: Latents,
    noise: Latents,
    timesteps: Int64[Tensor, " batch"],
    alphas_cumprod: Float[Tensor, " steps"],
) -> Latents:
    """Noise with which `latents` diffuse to the same noisy latents as `origin` with `noise`."""
    alpha = _per_sample(alphas_cumprod, timesteps, latents)
    return noise + (alpha / (1.0 - alpha)).sqrt() * (origin - latents)


def prediction_target(
    latents: Latents,
    noise: Latents,
    timesteps: Int64[Tensor, " batch"],
    alphas_cumprod: Float[Tensor, " steps"],
    prediction_type: PredictionType,
) -> Latents:
    """Prediction target of the denoiser: the noise, or the velocity sqrt(abar_t) noise - sqrt(1 - abar_t) z."""
    match prediction_type:
        case PredictionType.EPSILON:
            return noise
        case PredictionType.V_PREDICTION:
            alpha = _per_sample(alphas_cumprod, timesteps, latents)
            return alpha.sqrt() * noise - (1.0 - alpha).sqrt() * latents


def predicted_latents(
    noisy: Latents,
    prediction: Latents,
    timesteps: Int64[Tensor, " batch"],
    alphas_cumprod: Float[Tensor, " steps"],
    prediction_type: PredictionType,
) -> Latents:
    """The clean latents that a prediction implies: z where the prediction is `prediction_target` itself."""
    alpha = _per_sample(alphas_cumprod, timesteps, noisy)
    match prediction_type:
        case PredictionType.EPSILON:
            return (noisy - (1.0 - alpha).sqrt() * prediction) / alpha.sqrt()
        case PredictionType.V_PREDICTION:
            return alpha.sqrt() * noisy - (1.0 - alpha).sqrt() * prediction


def _per_sample(alphas_cumprod: Tensor, timesteps: Tensor, like: Tensor) -> Float[Tensor, "batch 1 1 1"]:
    return alphas_cumprod.to(like)[timesteps.to(like.device)].view(-1, 1, 1, 1)
