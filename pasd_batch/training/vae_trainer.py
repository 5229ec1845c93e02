"""Training the VAE that a model from scratch stands on, with the same loop as PASD itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.restoration import Precision
from pasd_batch.config.training_model import EncoderStart, VaeSizes
from pasd_batch.config.training_vae import VaeTrainingSettings
from pasd_batch.data.storage import Storage
from pasd_batch.pasd.state_dict import CheckpointError, differences
from pasd_batch.training.batch_maker import BatchMaker
from pasd_batch.training.checkpoints import ModelFiles
from pasd_batch.training.latent_space import check_same_latents
from pasd_batch.training.model_files import network_files
from pasd_batch.training.photo_index import list_photos, load_index
from pasd_batch.training.predicted_latents import LatentPredictor
from pasd_batch.training.principal_components import start_encoder
from pasd_batch.training.start import load_pasd, load_vae
from pasd_batch.training.vae_objective import VaeObjective, build_vae, load_perceptual_distance
from pasd_batch.training.validation import ValidationPhoto

_COMPONENT_SAMPLES = 256
"""Crops that principal components are taken from."""


@dataclass(frozen=True)
class VaeTask:
    """Training a VAE."""

    objective: VaeObjective
    gradient_checkpointing: bool

    def prepare(self) -> None:
        """Turn gradient checkpointing on where it is wished."""
        if self.gradient_checkpointing:
            self.objective.vae.enable_gradient_checkpointing()

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
        TrainingError: the perceptual distance is wished, but not installed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        vae = build_vae(settings.sizes)
    if settings.encoder is EncoderStart.PRINCIPAL_COMPONENTS:
        start_encoder(vae, list(_crops(settings)))
    if settings.initial is not None:
        vae = _loaded(settings.initial, settings.sizes)
    perceptual = load_perceptual_distance() if settings.losses.perceptual else None
    objective = VaeObjective(
        vae,
        settings.losses,
        degraded_share=settings.degraded_share,
        seed=settings.seed,
        perceptual=perceptual,
        decoder_only=settings.decoder_only,
        predictor=_predictor(settings, vae),
        predicted_share=settings.predicted.share if settings.predicted else 0.0,
    )
    objective.eval()
    return VaeTask(objective, settings.gradient_checkpointing)


def _predictor(settings: VaeTrainingSettings, vae: AutoencoderKL) -> LatentPredictor | None:
    if settings.predicted is None:
        return None
    networks = load_pasd(settings.predicted.model)
    check_same_latents(vae, networks.vae, settings.predicted.model)
    return LatentPredictor(networks)


def _crops(settings: VaeTrainingSettings) -> Float[Tensor, "samples 3 side side"]:
    """The first samples of the training, always the same."""
    data = settings.data
    output = Storage.open(settings.output, retry=data.storage.retry, allowed_schemes=data.storage.allowed_schemes)
    index = load_index(output, data.storage) or list_photos(data.sources, data.storage)
    # Nothing is looked at twice here.
    data = data.model_copy(update={"cache_bytes": 0})
    return BatchMaker(index, data, seed=settings.seed).make(range(_COMPONENT_SAMPLES)).batch.clean


def _loaded(folder: Path, sizes: VaeSizes) -> AutoencoderKL:
    vae = load_vae(folder / "vae")
    problems = differences(build_vae(sizes), vae.state_dict())
    if problems:
        raise CheckpointError(f"{folder / 'vae'}: not of the given sizes\n" + "\n".join(problems))
    return vae
