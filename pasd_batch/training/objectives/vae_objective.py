"""One loss of the VAE's training: L1 + a perceptual distance + a small KL divergence."""

import math
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor, nn

from pasd_batch.config.training_vae import VaeLossSettings, VaeSizes
from pasd_batch.training.data.batch_maker import NumberedBatch
from pasd_batch.training.objectives.sample_draws import SampleDraws
from pasd_batch.training.objectives.step_inputs import numbers_of

_SCALE_DECAY = 0.99
_LEVELS = 4


class VaeObjective(nn.Module):
    """The VAE as a module whose call is the loss; it also measures the latents' size for the denoiser."""

    latent_power: Tensor
    """Moving mean of the squared latents; training the denoiser wants them near 1, so they are divided by its root."""

    def __init__(
        self,
        vae: AutoencoderKL,
        losses: VaeLossSettings,
        *,
        degraded_share: float,
        seed: int,
        perceptual: nn.Module | None,
        decoder_only: bool = False,
    ) -> None:
        super().__init__()
        self.vae = vae
        self.perceptual = perceptual
        # Latents that do not change keep the size that a denoiser has been trained on.
        power = vae.config["scaling_factor"] ** -2 if decoder_only else 1.0
        self.register_buffer("latent_power", torch.tensor(float(power)))
        self._decoder_only = decoder_only
        self.read: dict[str, Any] = {}
        if decoder_only:
            for part in (vae.encoder, vae.quant_conv):
                cast(nn.Module, part).requires_grad_(False)
        self._weights = {"l1": losses.l1, "perceptual": losses.perceptual, "kl": losses.kl}
        self._perceptual_share = losses.perceptual_share
        self._degraded_share = degraded_share
        self._seed = seed

    def computed(self, name: str) -> bool:
        """True if a parameter does not learn, but is in checkpoints all the same."""
        return self._decoder_only and name.startswith(("vae.encoder.", "vae.quant_conv."))

    def forward(self, made: NumberedBatch) -> dict[str, Tensor]:
        """The objective (`loss`) and its parts; the latents' noise follows from the samples' numbers."""
        batch = made.batch
        draws = SampleDraws(self._seed, numbers_of(made))
        shows_degraded = draws.fractions() < self._degraded_share
        pictures = torch.where(shows_degraded.view(-1, 1, 1, 1), 2.0 * batch.degraded - 1.0, batch.clean)

        vae = cast(Any, self.vae)
        posterior = vae.encode(pictures).latent_dist
        mean, variance, log_variance = (part.float() for part in (posterior.mean, posterior.var, posterior.logvar))
        latents = mean + variance.sqrt() * draws.normal(mean.shape[1:])
        if not self._decoder_only:
            self._measure(latents.detach())

        parts = self._errors(vae.decode(latents).sample.float(), pictures)
        parts["kl"] = 0.5 * (mean.square() + variance - 1.0 - log_variance).mean()
        total = torch.stack([self._weights[name] * part for name, part in parts.items()]).sum()
        return {"loss": total, **{name: part.detach() for name, part in parts.items()}}

    def _errors(self, reconstruction: Tensor, targets: Tensor) -> dict[str, Tensor]:
        errors = {"l1": (reconstruction - targets).abs().mean()}
        if self.perceptual is not None:
            seen = math.ceil(self._perceptual_share * len(targets))
            errors["perceptual"] = self.perceptual(reconstruction[:seen], targets[:seen]).mean()
        return errors

    @property
    def scaling_factor(self) -> float:
        """Factor that gives the latents mean square 1."""
        return float(self.latent_power.clamp(min=1e-8).rsqrt())

    @torch.no_grad()
    def _measure(self, latents: Float[Tensor, "batch channels height width"]) -> None:
        self.latent_power.lerp_(latents.square().mean(), 1.0 - _SCALE_DECAY)


def build_vae(sizes: VaeSizes) -> AutoencoderKL:
    """A VAE with fresh weights from torch's current random state; it reduces each side by 8."""
    return cast(Any, AutoencoderKL)(
        down_block_types=("DownEncoderBlock2D",) * _LEVELS,
        up_block_types=("UpDecoderBlock2D",) * _LEVELS,
        block_out_channels=sizes.widths,
        layers_per_block=sizes.layers_per_block,
        latent_channels=sizes.latent_channels,
        norm_num_groups=sizes.norm_groups,
        mid_block_add_attention=False,
    )
