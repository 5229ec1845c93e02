"""Task of training PASD."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from pasd_batch.config.losses import LossSettings
from pasd_batch.config.model import Precision
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.config.training import Ablation, TrainingSettings
from pasd_batch.config.training_model import FromRealEsrgan, TrainablePart
from pasd_batch.config.weights import local_path
from pasd_batch.pasd.models import Models
from pasd_batch.pasd.prompts import PromptEncoder
from pasd_batch.pasd.restorer import Restoration, Restorer
from pasd_batch.training.ablations import ablated
from pasd_batch.training.data.initialization_crops import initialization_batch
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.checkpoints import ModelFiles
from pasd_batch.training.loop.validation import ValidationPhoto
from pasd_batch.training.networks.from_real_esrgan import connect, neutralise_words, take_layers
from pasd_batch.training.networks.initialization import TrainingNetworks, initial_networks, zero_paca
from pasd_batch.training.networks.model_files import pasd_files
from pasd_batch.training.networks.teacher import load_teacher
from pasd_batch.training.networks.trainable import choose_trainable
from pasd_batch.training.objectives.few_steps import SPACING
from pasd_batch.training.objectives.objective import PasdObjective
from pasd_batch.training.objectives.own_teacher import OwnTeacher
from pasd_batch.training.objectives.picture_loss import build_picture_loss


@dataclass(frozen=True)
class PasdTask:
    """Networks, objective and how validation samples."""

    networks: TrainingNetworks
    objective: PasdObjective
    sampling: SamplingSettings
    gradient_checkpointing: bool
    captions: bool = True
    """True if validation uses the photos' captions."""

    def prepare(self) -> None:
        """Enable gradient checkpointing, if asked for."""
        if self.gradient_checkpointing:
            self.networks.unet.enable_gradient_checkpointing()
            self.networks.control_branch.enable_gradient_checkpointing()
            if self.objective.picture is not None:
                self.networks.vae.enable_gradient_checkpointing()

    @property
    def networks_in_use(self) -> Sequence[nn.Module]:
        """UNet, control branch, its degradation removal module, VAE, and the networks of the losses."""
        networks, picture = self.networks, self.objective.picture
        embedding = networks.control_branch.controlnet_cond_embedding
        used = [networks.unet, networks.control_branch, embedding, cast(nn.Module, networks.vae.encoder)]
        if picture is None:
            return used
        learning = () if picture.discriminator is None else (picture.discriminator,)
        return [*used, cast(nn.Module, networks.vae.decoder), *self.loss_networks, *learning]

    @property
    def loss_networks(self) -> Sequence[nn.Module]:
        """The teacher and the perceptual distance."""
        picture, own = self.objective.picture, self.objective.own_teacher
        if picture is None:
            return ()
        loss_networks = [network for network in (picture.teacher, picture.perceptual) if network is not None]
        return loss_networks if own is None else [*loss_networks, *own.networks]

    def model_files(self, precision: Precision) -> ModelFiles:
        """The PASD folder."""
        return pasd_files(self.networks, precision)

    def restore(self, photos: Sequence[ValidationPhoto]) -> list[Tensor | None]:
        """Restore with `Restorer`, at the photos' own size."""
        prompts = [(photo.caption or self.sampling.prompt) if self.captions else "" for photo in photos]
        outcomes = self.build_restorer().restore(
            [photo.degraded for photo in photos], prompts=prompts, seeds=[photo.seed for photo in photos]
        )
        return [outcome.image if isinstance(outcome, Restoration) else None for outcome in outcomes]

    def build_restorer(self) -> Restorer:
        """The restorer of the present model.

        Raises:
            ValueError: scheduler or noise level do not exist.
        """
        networks = self.networks
        models = Models(
            unet=networks.unet,
            control_branch=networks.control_branch,
            vae=networks.vae,
            prompt_encoder=PromptEncoder(networks.tokenizer, networks.text_encoder),
            scheduler_config=networks.scheduler_config,
            device=networks.unet.device,
            dtype=torch.float32,
        )
        return Restorer(models, RestorationSettings(sampling=self.sampling))


def build_pasd_task(settings: TrainingSettings) -> PasdTask:
    """Build a training's networks on the CPU, with its ablations.

    Raises:
        CheckpointError: a model folder is missing, or does not hold what it should.
        TrainingError: nothing would be trained, a loss lacks its inputs, or validation cannot sample.
    """
    settings = ablated(settings)
    networks = initial_networks(settings.model, settings.losses.prediction_type, seed=settings.seed)
    has_paca = Ablation.PACA not in settings.without
    if not has_paca:
        zero_paca(networks.unet)
    if isinstance(settings.model, FromRealEsrgan):
        _begin_at_generator(networks, settings.model, settings)
    losses = settings.losses
    objective = _build_objective(networks, losses, seed=settings.seed)
    choose_trainable(
        objective,
        settings.trainable,
        has_paca=has_paca,
        uses_rgbs=losses.gamma > 0.0 or losses.colorfulness > 0.0,
        uses_denoiser=losses.denoising > 0.0 or losses.picture is not None,
    )
    sampling = settings.validation_sampling.model_copy(update={"scale": 1.0, "min_short_side": 8})
    captions = Ablation.HIGH_LEVEL_PROMPT not in settings.without
    task = PasdTask(networks, objective, sampling, settings.gradient_checkpointing, captions)
    if settings.validation.sources:
        _check_sampling(task)
    return task


def _begin_at_generator(networks: TrainingNetworks, start: FromRealEsrgan, settings: TrainingSettings) -> None:
    generator = load_teacher(local_path(start.generator), setting="model.generator")
    take_layers(networks, generator, start.blocks)
    connect(networks, initialization_batch(settings).degraded)
    if TrainablePart.TEXT_ENCODER not in settings.trainable:
        neutralise_words(networks)


def _build_objective(networks: TrainingNetworks, losses: LossSettings, *, seed: int) -> PasdObjective:
    if (losses.gamma or losses.colorfulness) and networks.control_branch.controlnet_cond_embedding.to_rgbs is None:
        raise TrainingError(
            "losses.gamma and losses.colorfulness need the to-RGB heads of the degradation removal module, which this "
            "model does not have; set both to 0, or start with heads (model.branch.return_rgbs: true)"
        )
    picture, own_teacher = None, None
    if losses.picture is not None:
        picture = build_picture_loss(losses.picture, seed=seed)
        # The model is only valid at the timesteps that it was trained at.
        networks.scheduler_config["timestep_spacing"] = SPACING
        if losses.picture.own_teacher is not None:
            own_teacher = OwnTeacher(networks, losses.picture.own_teacher)
    return PasdObjective(networks, losses, seed=seed, picture=picture, own_teacher=own_teacher)


def _check_sampling(task: PasdTask) -> None:
    # Now, and not at the first validation, a thousand steps later.
    try:
        task.build_restorer()
    except ValueError as error:
        raise TrainingError(f"{error}; change validation_sampling") from error
