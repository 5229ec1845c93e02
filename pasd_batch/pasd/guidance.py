"""Classifier-free guidance over control branch and UNet: one noise prediction for a batch of tiles."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.pasd.control_branch import ControlBranch, ControlResiduals
from pasd_batch.pasd.unet import PixelAwareUNet

Latents = Float[Tensor, "batch channels height width"]


@dataclass(frozen=True)
class Guidance:
    """Strength with which prompt and photo steer the prediction."""

    scale: float
    """Classifier-free guidance (arXiv 2207.12598); at 1 or below the negative prompt is not evaluated."""

    conditioning_scale: float = 1.0
    """Factor on the control branch's residuals."""

    guess_mode: bool = False
    """Let the control branch see only the prompt's half."""

    @property
    def is_active(self) -> bool:
        """True if a negative half is needed at all."""
        return self.scale > 1.0


@dataclass(frozen=True)
class TileBatch:
    """Inputs of the networks for a batch of tiles; the rows belong together."""

    latents: Latents
    embeddings: Float[Tensor, "batch width0 height width"]
    """The degradation removal module's embedding of each tile."""

    prompts: Float[Tensor, "batch words text_channels"]
    negative_prompts: Float[Tensor, "batch words text_channels"] | None
    """None when guidance is off."""


@dataclass(frozen=True)
class GuidedDenoiser:
    """Control branch and UNet as one function: noisy tiles in, guided noise prediction out."""

    unet: PixelAwareUNet
    control_branch: ControlBranch
    guidance: Guidance

    def __call__(self, batch: TileBatch, timestep: int | float | Tensor) -> Latents:
        """Predict the noise of a batch at one timestep."""
        if batch.negative_prompts is None:
            residuals = self._residuals(batch.latents, timestep, batch.prompts, batch.embeddings)
            return self.unet(batch.latents, timestep, batch.prompts, residuals)
        latents = torch.cat([batch.latents, batch.latents])
        prompts = torch.cat([batch.negative_prompts, batch.prompts])
        if self.guidance.guess_mode:
            residuals = self._residuals(batch.latents, timestep, batch.prompts, batch.embeddings)
            residuals = ControlResiduals(
                [_behind_zeros(residual) for residual in residuals.skips], _behind_zeros(residuals.middle)
            )
        else:
            embeddings = torch.cat([batch.embeddings, batch.embeddings])
            residuals = self._residuals(latents, timestep, prompts, embeddings)
        negative, positive = self.unet(latents, timestep, prompts, residuals).float().chunk(2)
        return negative + self.guidance.scale * (positive - negative)

    def _residuals(
        self, latents: Latents, timestep: int | float | Tensor, prompts: Tensor, embeddings: Tensor
    ) -> ControlResiduals:
        return self.control_branch(
            latents,
            timestep,
            prompts,
            embeddings,
            conditioning_scale=self.guidance.conditioning_scale,
            guess_mode=self.guidance.guess_mode,
        )


def _behind_zeros(residual: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(residual), residual])
