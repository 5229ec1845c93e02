"""Training the VAE that a model from scratch stands on, with the same loop as PASD itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn

from pasd_batch.config.model import Precision
from pasd_batch.config.training_vae import DecoderStart, EncoderStart, VaeTrainingSettings
from pasd_batch.config.weights import local_path
from pasd_batch.pasd.pixel_shuffle_vae import PixelShuffleVae
from pasd_batch.pasd.state_dict import CheckpointError, differences
from pasd_batch.training.data.initialization_crops import initialization_batch
from pasd_batch.training.loop.checkpoints import ModelFiles
from pasd_batch.training.loop.validation import ValidationPhoto
from pasd_batch.training.networks.initialization import load_pasd, load_trained_vae
from pasd_batch.training.networks.latent_space import check_same_latents, is_encoder
from pasd_batch.training.networks.linear_decoder import initialise_decoder
from pasd_batch.training.networks.model_files import network_files
from pasd_batch.training.networks.principal_components import initialise_encoder
from pasd_batch.training.objectives.perceptual import load_perceptual_distance
from pasd_batch.training.objectives.predicted_latents import LatentPredictor
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
        """The VAE's two halves, and the denoiser that predicts latents for it."""
        vae, predictor = self.objective.vae, self.objective.predictor
        halves = [cast(nn.Module, vae.encoder), cast(nn.Module, vae.decoder)]
        return halves if predictor is None else [*halves, predictor.unet, predictor.control_branch]

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
        CheckpointError: `initial` is not a VAE of these sizes,
            or `predicted.model` has other latents.
        TrainingError: the perceptual distance is asked for, but not installed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        vae = build_vae(settings.sizes)
    _set_weights(vae, settings)
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
        predictor=_predictor(settings, vae),
        predicted_share=settings.predicted.share if settings.predicted else 0.0,
        start_share=settings.predicted.start_share if settings.predicted else 0.0,
    )
    objective.eval()
    return VaeTask(objective, settings.gradient_checkpointing)


def _predictor(settings: VaeTrainingSettings, vae: AutoencoderKL) -> LatentPredictor | None:
    if settings.predicted is None:
        return None
    folder = local_path(settings.predicted.model)
    networks = load_pasd(folder)
    check_same_latents(vae, networks.vae, folder)
    return LatentPredictor(networks)


def _set_weights(vae: AutoencoderKL, settings: VaeTrainingSettings) -> None:
    linear = settings.decoder is DecoderStart.LINEAR
    if settings.encoder is EncoderStart.PRINCIPAL_COMPONENTS:
        initialise_encoder(vae, list(initialization_batch(settings).clean))
    if settings.initial is not None:
        _load(vae, local_path(settings.initial) / "vae", encoder_only=linear)
    if linear:
        initialise_decoder(cast(PixelShuffleVae, vae), list(initialization_batch(settings).clean))


def _load(vae: AutoencoderKL, folder: Path, *, encoder_only: bool) -> None:
    loaded = load_trained_vae(folder)
    weights = {name: tensor for name, tensor in loaded.state_dict().items() if not encoder_only or is_encoder(name)}
    own = {name: tensor for name, tensor in vae.state_dict().items() if encoder_only and not is_encoder(name)}
    if problems := differences(vae, {**own, **weights}):
        raise CheckpointError(f"{folder}: not of the given sizes\n" + "\n".join(problems))
    vae.load_state_dict({**own, **weights})
    vae.register_to_config(scaling_factor=loaded.config["scaling_factor"])
