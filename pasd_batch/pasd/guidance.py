"""Classifier-free guidance over control branch and UNet: one noise prediction for a batch of tiles."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.pasd.control_branch import ControlBranch, ControlResiduals
from pasd_batch.pasd.cuda_graphs import NetworkGraphs
from pasd_batch.pasd.unet import PixelAwareUNet

Latents = Float[Tensor, "batch channels height width"]


@dataclass(frozen=True)
class Guidance:
    """Settings of classifier-free guidance and of the control branch."""

    scale: float
    """Classifier-free guidance (arXiv 2207.12598); at 1 or below the negative prompt is not evaluated."""

    conditioning_scale: float = 1.0
    """Factor on the control branch's residuals."""

    guess_mode: bool = False
    """Run the control branch on the conditional half only."""

    interval: tuple[float, float] | None = None
    """Interval (low, high] of noise levels at which guidance acts; None: at all (arXiv 2404.07724)."""

    rescale: float = 0.0
    """phi of CFG rescale (arXiv 2305.08891): 0 off, 1 full rescaling."""

    def acts_at(self, noise_level: float) -> bool:
        """True if guidance acts at a noise level; at others the guidance scale is 1 (arXiv 2404.07724, section 3).

        The noise level is sigma = sqrt((1 - abar_t) / abar_t).
        """
        return self.interval is None or self.interval[0] < noise_level <= self.interval[1]

    @property
    def is_active(self) -> bool:
        """True if the negative prompt is evaluated."""
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

    number: int = 0
    """Index of the batch, which has the same tiles at every step."""
    guidance: Float[Tensor, "batch 1 height width"] | None = None
    """Guidance scale per latent pixel; None: the denoiser's everywhere."""


@dataclass(frozen=True)
class GuidedDenoiser:
    """Control branch and UNet as one function: noisy tiles in, guided noise prediction out."""

    unet: PixelAwareUNet
    control_branch: ControlBranch
    guidance: Guidance
    graphs: NetworkGraphs | None = None
    """CUDA graphs of the networks; None: eager execution."""

    def __call__(self, batch: TileBatch, timestep: int | float | Tensor) -> Latents:
        """Predict the noise of a batch at one timestep."""
        return self._guided(self._run("whole", partial(self._call_unet, self.unet), *_inputs(batch, timestep)), batch)

    def deep_features(
        self, batch: TileBatch, timestep: int | float | Tensor
    ) -> Float[Tensor, "halves _c height width"]:
        """Inputs of the UNet's last layer, for one half or both; the negative one first."""
        return self._run("deep", partial(self._call_unet, self.unet.deep_features), *_inputs(batch, timestep))

    def predict_from(
        self, deep: Float[Tensor, "halves _c height width"], batch: TileBatch, timestep: int | float | Tensor
    ) -> Latents:
        """Predict noise from deep features, of this or an earlier step, by the outermost layers alone."""
        return self._guided(self._run("outermost", self._outermost, deep, *_inputs(batch, timestep)), batch)

    def _guided(self, noise: Tensor, batch: TileBatch) -> Latents:
        if batch.negative_prompts is None:
            return noise
        negative, positive = noise.float().chunk(2)
        scale = self.guidance.scale if batch.guidance is None else batch.guidance
        guided = negative + scale * (positive - negative)
        return rescale_noise_cfg(guided, positive, self.guidance.rescale) if self.guidance.rescale else guided

    def _run(self, name: str, network: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        if self.graphs is None:
            return network(*inputs)
        # The guidance scale is applied outside, so that photos with other scales share a graph.
        constants = (name, self.guidance.conditioning_scale, self.guidance.guess_mode)
        return self.graphs.run(constants, network, inputs)

    def _call_unet(
        self,
        network: Callable[..., Tensor],
        latents: Latents,
        timestep: Tensor,
        embeddings: Tensor,
        prompts: Tensor,
        negative_prompts: Tensor | None = None,
    ) -> Tensor:
        """Run the control branch, then `network`, the UNet or its deep layers, on the prompt's half or on both.

        The negative half comes first.
        """
        residuals = self._residuals(latents, timestep, embeddings, prompts, negative_prompts)
        return network(*_halves(latents, timestep, prompts, negative_prompts), residuals)

    def _outermost(
        self,
        deep: Tensor,
        latents: Latents,
        timestep: Tensor,
        embeddings: Tensor,
        prompts: Tensor,
        negative_prompts: Tensor | None = None,
    ) -> Tensor:
        residual = self.control_branch.first_residual(
            latents,
            embeddings,
            conditioning_scale=self.guidance.conditioning_scale,
            guess_mode=self.guidance.guess_mode,
        )
        if negative_prompts is not None:
            # It is the same for both halves, as it does not depend on the prompt.
            residual = _prepend_zeros(residual) if self.guidance.guess_mode else torch.cat([residual, residual])
        return self.unet.predict_from(deep, *_halves(latents, timestep, prompts, negative_prompts), residual)

    def _residuals(
        self,
        latents: Latents,
        timestep: Tensor,
        embeddings: Tensor,
        prompts: Tensor,
        negative_prompts: Tensor | None,
    ) -> ControlResiduals:
        if negative_prompts is None:
            return self._branch(latents, timestep, prompts, embeddings)
        if self.guidance.guess_mode:
            residuals = self._branch(latents, timestep, prompts, embeddings)
            return ControlResiduals(
                [_prepend_zeros(residual) for residual in residuals.skips], _prepend_zeros(residuals.middle)
            )
        both = _halves(latents, timestep, prompts, negative_prompts)
        return self._branch(*both, torch.cat([embeddings, embeddings]))

    def _branch(self, latents: Latents, timestep: Tensor, prompts: Tensor, embeddings: Tensor) -> ControlResiduals:
        return self.control_branch(
            latents,
            timestep,
            prompts,
            embeddings,
            conditioning_scale=self.guidance.conditioning_scale,
            guess_mode=self.guidance.guess_mode,
        )


def _inputs(batch: TileBatch, timestep: int | float | Tensor) -> tuple[Tensor, ...]:
    inputs = (
        batch.latents,
        torch.as_tensor(timestep, device=batch.latents.device),
        batch.embeddings,
        batch.prompts,
    )
    return inputs if batch.negative_prompts is None else (*inputs, batch.negative_prompts)


def _halves(
    latents: Latents, timestep: Tensor, prompts: Tensor, negative_prompts: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Latents, timestep and prompts of the conditional half, or of the negative and the conditional half."""
    if negative_prompts is None:
        return latents, timestep, prompts
    return torch.cat([latents, latents]), timestep, torch.cat([negative_prompts, prompts])


def rescale_noise_cfg(guided: Latents, positive: Latents, share: float) -> Latents:
    """Rescale guided noise towards the standard deviation of the conditional noise, by `share` (phi).

    Equations 15 and 16 of arXiv 2305.08891 (section 3.4), per tile. Guidance raises the standard deviation, which
    oversaturates colours and blows out highlights.
    """
    spread = positive.std(dim=(1, 2, 3), keepdim=True) / guided.std(dim=(1, 2, 3), keepdim=True)
    return share * guided * spread + (1.0 - share) * guided


def _prepend_zeros(residual: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(residual), residual])
