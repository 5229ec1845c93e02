"""One loss of PASD's training, from a batch of photos to L = L_DF + gamma L_DR (arXiv 2308.14469, section 3.5).

With `losses.picture` photos are also restored as sampling does, and compared as pictures.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pasd_batch.config.losses import LossSettings, PredictionType
from pasd_batch.config.picture_losses import PictureLossSettings
from pasd_batch.pasd.prompts import PromptEncoder
from pasd_batch.training.data.batch_maker import NumberedBatch
from pasd_batch.training.networks.initialization import TrainingNetworks
from pasd_batch.training.objectives.diffusion import Latents, diffuse, noise_towards, prediction_target
from pasd_batch.training.objectives.few_steps import draw_alpha_a, sampled_latents, sampling_start, trailing_timesteps
from pasd_batch.training.objectives.losses import Denoised, PasdLoss, Picture, pasd_loss
from pasd_batch.training.objectives.own_teacher import OwnTeacher
from pasd_batch.training.objectives.picture_loss import PictureLoss, PicturePair
from pasd_batch.training.objectives.sample_draws import SampleDraws
from pasd_batch.training.objectives.step_inputs import StepInputs, numbers_of


class PasdObjective(nn.Module):
    """The networks as one module whose call is the loss; parameters with `requires_grad` are trained."""

    alphas_cumprod: Tensor

    def __init__(
        self,
        networks: TrainingNetworks,
        losses: LossSettings,
        *,
        seed: int,
        picture: PictureLoss | None = None,
        own_teacher: OwnTeacher | None = None,
    ) -> None:
        super().__init__()
        self.unet = networks.unet
        self.control_branch = networks.control_branch
        self.vae = networks.vae
        self.text_encoder = networks.text_encoder
        self.register_buffer("alphas_cumprod", networks.alphas_cumprod, persistent=False)
        self.picture = picture
        self.own_teacher = own_teacher
        self._drawn = networks.drawn
        self.read = {"scheduler": networks.scheduler_config, "vae": networks.vae.config["scaling_factor"]}
        self._losses = losses
        self._prediction_type = PredictionType(networks.scheduler_config["prediction_type"])
        self._seed = seed
        self._prompts = PromptEncoder(networks.tokenizer, networks.text_encoder)

    def computed(self, name: str) -> bool:
        """True if a parameter was made when the training began, rather than read."""
        return not name.startswith("picture.") and self._drawn(name)

    def forward(self, made: NumberedBatch) -> dict[str, Tensor]:
        """The objective (`loss`) and its parts; timesteps and noise follow from the samples' numbers."""
        return self.losses(self.inputs(made))

    def inputs(self, made: NumberedBatch) -> StepInputs:
        """All that the losses of a batch depend on, beside the networks."""
        steps = 1
        if self._losses.picture is not None:
            drawn = SampleDraws(self._seed, torch.tensor(made.numbers[:1]))
            steps += int(drawn.integers(self._losses.picture.steps))
        batch = made.batch
        teacher_text_states = (
            () if self.own_teacher is None else self.own_teacher.encode_prompts(self._prompts, batch.captions)
        )
        return StepInputs(
            batch.clean, batch.degraded, numbers_of(made), self._text_states(batch.captions), steps, teacher_text_states
        )

    def losses(self, inputs: StepInputs) -> dict[str, Tensor]:
        """The objective and its terms, without synchronising with the device."""
        draws = SampleDraws(self._seed, inputs.numbers)
        seen = self.control_branch.controlnet_cond_embedding(inputs.degraded)
        compared = self._predict(inputs, seen.embedding, draws) if self._losses.denoising else None
        parts = _parts(pasd_loss(compared, seen.rgbs or (), inputs.clean, self._losses))
        if self.picture is None:
            return parts
        restored, teacher_pictures, alpha_a = self._restore(inputs, seen.embedding, draws)
        own = self.picture(restored, PicturePair(inputs.clean, inputs.degraded, teacher_pictures), alpha_a, draws)
        return parts | own | {"loss": parts["loss"] + own["loss"]}

    def _predict(self, inputs: StepInputs, embedding: Tensor, draws: SampleDraws) -> Denoised:
        """Prediction of the denoiser for noisy latents, and its target."""
        latents = self._encode(inputs.clean, draws)
        noise = draws.normal(latents.shape[1:])
        timesteps = draws.integers(len(self.alphas_cumprod))
        if self._losses.start_share:
            timesteps, noise = self._as_sampling_starts(latents, noise, timesteps, inputs.degraded, draws)
        noisy = diffuse(latents, noise, timesteps, self.alphas_cumprod)
        text_states = inputs.text_states

        residuals = self.control_branch(noisy, timesteps, text_states, embedding)
        prediction = self.unet(noisy, timesteps, text_states, residuals)
        target = prediction_target(latents, noise, timesteps, self.alphas_cumprod, self._prediction_type)
        return Denoised(prediction, target)

    def _restore(
        self, inputs: StepInputs, embedding: Tensor, draws: SampleDraws
    ) -> tuple[Picture, Picture | None, Tensor]:
        """Pictures in [-1, 1] as restoring samples them, the own teacher's, and the alpha_a drawn for each."""
        settings = cast(PictureLossSettings, self._losses.picture)
        own = self._encode(2.0 * inputs.degraded - 1.0, draws)
        levels = draw_alpha_a(draws.fractions(), settings.pure_noise_share)
        noises = (draws.normal(own.shape[1:]), draws.normal(own.shape[1:]))
        timesteps = trailing_timesteps(len(self.alphas_cumprod), settings.steps)[: inputs.sampled_steps]
        first = torch.full((len(own),), timesteps[0], device=own.device)
        start = sampling_start(own, levels, noises, first, self.alphas_cumprod)
        text_states = inputs.text_states

        def denoise(noisy: Latents, at: Tensor) -> Latents:
            return self.unet(noisy, at, text_states, self.control_branch(noisy, at, text_states, embedding))

        latents = sampled_latents(denoise, start, timesteps, self.alphas_cumprod, self._prediction_type)
        return self._decode(latents), self._teacher_pictures(start, inputs), levels

    @torch.no_grad()
    def _teacher_pictures(self, start: Latents, inputs: StepInputs) -> Picture | None:
        if self.own_teacher is None:
            return None
        return self._decode(self.own_teacher(start, inputs.degraded, inputs.teacher_text_states, self.alphas_cumprod))

    def _decode(self, latents: Latents) -> Picture:
        return cast(Any, self.vae).decode(latents / self.vae.config["scaling_factor"]).sample

    @torch.no_grad()
    def _as_sampling_starts(
        self, latents: Tensor, noise: Tensor, timesteps: Tensor, degraded: Tensor, draws: SampleDraws
    ) -> tuple[Tensor, Tensor]:
        """Move a share of the samples to the last timestep, and their noise to the degraded photo's latents."""
        own = self._encode(2.0 * degraded - 1.0, draws)
        starts = draws.fractions() < self._losses.start_share
        timesteps = torch.where(starts, len(self.alphas_cumprod) - 1, timesteps)
        moved = noise_towards(latents, own, noise, timesteps, self.alphas_cumprod)
        return timesteps, torch.where(starts.view(-1, 1, 1, 1), moved, noise)

    @torch.no_grad()
    def _encode(self, clean: Tensor, draws: SampleDraws) -> Float[Tensor, "batch channels height width"]:
        # Stable Diffusion's VAE overflows in float16.
        with torch.autocast(clean.device.type, enabled=False):
            posterior = cast(Any, self.vae).encode(clean).latent_dist
        noise = draws.normal(posterior.mean.shape[1:])
        return self.vae.config["scaling_factor"] * (posterior.mean + posterior.std * noise)

    def _text_states(self, captions: Sequence[str]) -> Float[Tensor, "batch words text_channels"]:
        if any(parameter.requires_grad for parameter in self.text_encoder.parameters()):
            numbers = torch.cat([self._prompts.token_ids(caption) for caption in captions])
            return self.text_encoder(numbers.to(self.alphas_cumprod.device)).last_hidden_state
        states = {caption: self._prompts.encode(caption) for caption in dict.fromkeys(captions)}
        if len(states) == 1:
            # A copy, because what inference made cannot be used in a gradient.
            return states[captions[0]].clone().expand(len(captions), -1, -1)
        return torch.stack([states[caption] for caption in captions])


def _parts(loss: PasdLoss) -> dict[str, Tensor]:
    parts = {"loss": loss.total}
    if loss.denoising is not None:
        parts["denoising"] = loss.denoising.detach()
    if loss.degradation_removal:
        parts["degradation_removal"] = torch.stack(loss.degradation_removal).detach().sum()
    if loss.colorfulness:
        parts["colorfulness"] = torch.stack(loss.colorfulness).detach().sum()
    return parts
