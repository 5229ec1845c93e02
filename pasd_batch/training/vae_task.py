"""Training the VAE that a model from scratch stands on, with the same loop as PASD itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn

from pasd_batch.config.model import Precision
from pasd_batch.config.training_vae import VaeTrainingSettings
from pasd_batch.config.weights import local_path
from pasd_batch.pasd.state_dict import CheckpointError, differences
from pasd_batch.training.loop.checkpoints import ModelFiles
from pasd_batch.training.loop.validation import ValidationPhoto
from pasd_batch.training.networks.initialization import load_trained_vae
from pasd_batch.training.networks.model_files import network_files
from pasd_batch.training.objectives.perceptual import load_perceptual_distance
from pasd_batch.training.objectives.vae_objective import VaeObjective, build_vae


@dataclass(frozen=True)
class VaeTask:
    """Training a VAE."""

    objective: VaeObjective
    gradient_checkpointing: bool

    def prepare(self) -> None:
        """Enable gradient checkpointing, if asked for."""
        if self.gradient_checkpointing:
            self.objective.vae.enable_gradient_checkpointing()

    @property
    def networks_in_use(self) -> Sequence[nn.Module]:
        """The VAE's two halves."""
        vae = self.objective.vae
        return cast(nn.Module, vae.encoder), cast(nn.Module, vae.decoder)

    @property
    def loss_networks(self) -> Sequence[nn.Module]:
        """The perceptual distance."""
        perceptual = self.objective.perceptual
        return () if perceptual is None else (perceptual,)

    def model_files(self, precision: Precision) -> ModelFiles:
        """The `vae/` folder, with the factor that brings its latents to mean square 1."""
        self.objective.vae.register_to_config(scaling_factor=self.objective.scaling_factor)
        return network_files("vae", self.objective.vae, precision)

    @torch.inference_mode()
    def restore(self, photos: Sequence[ValidationPhoto]) -> list[Tensor | None]:
        """The clean photos after encoding and decoding: what the VAE takes away can never be restored."""
        vae = cast(Any, self.objective.vae)
        results: list[Tensor | None] = []
        for photo in photos:
            picture = (2.0 * photo.clean[None] - 1.0).to(vae.device)
            decoded = vae.decode(vae.encode(picture).latent_dist.mode()).sample
            results.append((decoded[0].float() / 2 + 0.5).clamp(0.0, 1.0).cpu())
        return results


def build_vae_task(settings: VaeTrainingSettings) -> VaeTask:
    """Build the VAE on the CPU; fresh weights come from the seed.

    Raises:
        CheckpointError: `initial` is not a VAE of these sizes.
        TrainingError: the perceptual distance is asked for, but not installed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        vae = build_vae(settings.sizes)
    if settings.initial is not None:
        _load(vae, local_path(settings.initial) / "vae")
    losses = settings.losses
    perceptual = None
    if losses.perceptual:
        perceptual = load_perceptual_distance(losses.perceptual_network, setting="losses.perceptual")
    objective = VaeObjective(
        vae,
        losses,
        degraded_share=settings.degraded_share,
        seed=settings.seed,
        perceptual=perceptual,
        decoder_only=settings.decoder_only,
    )
    objective.eval()
    return VaeTask(objective, settings.gradient_checkpointing)


def _load(vae: AutoencoderKL, folder: Path) -> None:
    loaded = load_trained_vae(folder)
    weights = loaded.state_dict()
    if problems := differences(vae, weights):
        raise CheckpointError(f"{folder}: not of the given sizes\n" + "\n".join(problems))
    vae.load_state_dict(weights)
    vae.register_to_config(scaling_factor=loaded.config["scaling_factor"])
