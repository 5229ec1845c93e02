"""Latents predicted by a trained PASD, for training a decoder on the denoiser's errors.

A one-step prediction is the mean of all photos that fit, smoother than any photo's latents. A decoder trained only on
encoded photos turns its errors into a grid with the latents' period.
"""

import torch
from torch import Tensor, nn

from pasd_batch.config.losses import PredictionType
from pasd_batch.pasd.prompts import PromptEncoder
from pasd_batch.training.networks.frozen import tensor_digest
from pasd_batch.training.networks.initialization import TrainingNetworks
from pasd_batch.training.objectives.diffusion import Latents, predicted_latents
from pasd_batch.training.objectives.few_steps import sampling_start
from pasd_batch.training.objectives.sample_draws import SampleDraws


class LatentPredictor(nn.Module):
    """A frozen PASD that predicts clean latents in one step, without captions."""

    alphas_cumprod: Tensor
    text_state: Tensor

    def __init__(self, networks: TrainingNetworks) -> None:
        super().__init__()
        self.unet = networks.unet.requires_grad_(False)
        self.control_branch = networks.control_branch.requires_grad_(False)
        self.register_buffer("alphas_cumprod", networks.alphas_cumprod, persistent=False)
        self.register_buffer("text_state", _wordless(networks), persistent=False)
        self.read = {
            "predictor.scheduler": networks.scheduler_config,
            "predictor.text_encoder": tensor_digest(networks.text_encoder.state_dict()),
        }
        self._prediction_type = PredictionType(networks.scheduler_config["prediction_type"])

    @torch.no_grad()
    def forward(self, latents: Latents, degraded: Tensor, from_start: Tensor, draws: SampleDraws) -> Latents:
        """Predict the clean latents.

        Args:
            latents: scaled; the degraded photo's where sampling starts from it, the clean photo's elsewhere.
            degraded: photos (batch, 3, height, width) in [0, 1], as the control branch sees them.
            from_start: (batch,), true where a sampling starts: the last timestep, and any alpha_a on top of it;
                elsewhere any timestep, as in training.
            draws: the samples' random numbers.
        """
        count = len(self.alphas_cumprod)
        timesteps = torch.where(from_start, count - 1, draws.integers(count))
        first_noise = draws.normal(latents.shape[1:])
        alpha_a = torch.where(from_start, draws.fractions(), 1.0)
        noises = (first_noise, draws.normal(latents.shape[1:]))
        noisy = sampling_start(latents, alpha_a, noises, timesteps, self.alphas_cumprod)

        text_states = self.text_state.expand(len(latents), -1, -1)
        seen = self.control_branch.controlnet_cond_embedding(degraded)
        residuals = self.control_branch(noisy, timesteps, text_states, seen.embedding)
        prediction = self.unet(noisy, timesteps, text_states, residuals)
        return predicted_latents(noisy, prediction, timesteps, self.alphas_cumprod, self._prediction_type)


def _wordless(networks: TrainingNetworks) -> Tensor:
    return PromptEncoder(networks.tokenizer, networks.text_encoder).encode("").clone()
