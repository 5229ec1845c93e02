"""Distillation to fewer steps (arXiv 2101.02388): the teacher is the model that training starts from."""

import copy
from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pasd_batch.config.losses import PredictionType
from pasd_batch.config.picture_losses import OwnTeacherSettings
from pasd_batch.pasd.guidance import Guidance, GuidedDenoiser, TileBatch
from pasd_batch.pasd.prompts import PromptEncoder, compose_prompt
from pasd_batch.training.networks.initialization import TrainingNetworks
from pasd_batch.training.objectives.diffusion import Latents
from pasd_batch.training.objectives.few_steps import sampled_latents, trailing_timesteps
from pasd_batch.training.objectives.losses import Picture

States = Float[Tensor, "batch words text_channels"]


class OwnTeacher(nn.Module):
    """Frozen copies of UNet and control branch as they were when training began, sampled by DDIM."""

    def __init__(self, networks: TrainingNetworks, settings: OwnTeacherSettings) -> None:
        super().__init__()
        self.unet = copy.deepcopy(networks.unet).requires_grad_(False)
        self.control_branch = copy.deepcopy(networks.control_branch).requires_grad_(False)
        self._settings = settings
        self._prediction_type = PredictionType(networks.scheduler_config["prediction_type"])
        guidance = Guidance(settings.guidance_scale)
        self._denoise = GuidedDenoiser(self.unet, self.control_branch, guidance)

    @property
    def networks(self) -> Sequence[nn.Module]:
        """The modules that sampling calls."""
        return self.unet, self.control_branch, cast(nn.Module, self.control_branch.controlnet_cond_embedding)

    def encode_prompts(self, prompts: PromptEncoder, captions: Sequence[str]) -> tuple[States, ...]:
        """Text states of the captions with the quality suffix, and, with guidance, of the negative prompt."""
        settings = self._settings
        whole = [compose_prompt(caption, trigger_words="", suffix=settings.added_prompt) for caption in captions]
        states = torch.stack([prompts.encode(prompt) for prompt in whole])
        if not self._denoise.guidance.is_active:
            return (states,)
        return states, prompts.encode(settings.negative_prompt).expand_as(states)

    @torch.no_grad()
    def forward(
        self, start: Latents, degraded: Picture, text_states: Sequence[States], alphas_cumprod: Tensor
    ) -> Latents:
        """Clean latents after the teacher's many DDIM steps.

        Args:
            start: noised latents at the last timestep, as the student begins.
            degraded: pictures in [0, 1].
            text_states: those of `encode_prompts`.
            alphas_cumprod: abar of every timestep.
        """
        embedding = self.control_branch.controlnet_cond_embedding(degraded, with_rgbs=False).embedding
        prompts, *negatives = text_states
        timesteps = trailing_timesteps(len(alphas_cumprod), self._settings.steps)

        def denoise(noisy: Latents, at: Tensor) -> Latents:
            batch = TileBatch(noisy, embedding, prompts, negatives[0] if negatives else None)
            # All samples are at one timestep, and guidance has two rows for each.
            return self._denoise(batch, at[:1])

        return sampled_latents(denoise, start, timesteps, alphas_cumprod, self._prediction_type)
