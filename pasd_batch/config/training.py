"""Settings of PASD's training, and reading those of any training."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import model_validator

from pasd_batch.config.base import ConfigError, InOrder, load_yaml, with_overrides
from pasd_batch.config.losses import LossSettings, PredictionType
from pasd_batch.config.model import Precision
from pasd_batch.config.picture_losses import SMALLEST_GRID_CROP
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.config.trainer import TrainerSettings
from pasd_batch.config.training_model import FromPasd, FromRealEsrgan, FromScratch, ModelStart, TrainablePart
from pasd_batch.config.training_vae import VaeTrainingSettings


class Ablation(StrEnum):
    """Part of the method that an ablation of the paper leaves out."""

    PACA = "paca"
    """Pixel-aware cross attention: its layers are frozen so that they do nothing."""
    DEGRADATION_REMOVAL = "degradation_removal"
    """The to-RGB heads and L_DR: what remains is ControlNet's plain embedding."""
    ADJUSTABLE_NOISE = "adjustable_noise"
    """The adjustable noise schedule: validation starts from pure noise."""
    HIGH_LEVEL_PROMPT = "high_level_prompt"
    """All captions, in training and validation."""


class TrainingSettings(TrainerSettings):
    """PASD's training: L = L_DF + gamma L_DR."""

    trains: Literal["pasd"] = "pasd"
    """Names this training."""

    model: ModelStart
    """Networks that training starts from."""

    trainable: tuple[TrainablePart, ...] = (
        TrainablePart.CONTROL_BRANCH,
        TrainablePart.DEGRADATION_REMOVAL,
        TrainablePart.PACA,
    )
    """Parts that learn; everything else is frozen."""

    losses: LossSettings = LossSettings()
    """The objective."""

    without: Annotated[frozenset[Ablation], InOrder] = frozenset()
    """Ablations."""

    validation_sampling: SamplingSettings = SamplingSettings()
    """Restoring in validation. Photos are worked on at their own size, whatever `scale` and `min_short_side` say, each
    with a seed of its own; `prompt` is for photos without a caption."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        schedule = self.model.schedule
        zero_snr = schedule is not None and schedule.rescale_betas_zero_snr
        if zero_snr and self.losses.prediction_type is not PredictionType.V_PREDICTION:
            raise ValueError(
                "model.schedule.rescale_betas_zero_snr needs losses.prediction_type: v_prediction, because at pure "
                "noise the noise says nothing of the photo"
            )
        if isinstance(self.model, FromPasd) and self.without & {Ablation.PACA, Ablation.DEGRADATION_REMOVAL}:
            raise ValueError("a trained PASD (model.start: pasd) cannot lose paca or degradation_removal; start afresh")
        if not self.trainable:
            raise ValueError("trainable is empty; there is nothing to train")
        if TrainablePart.TEXT_ENCODER in self.trainable and not self._exports_base():
            raise ValueError(
                "trainable has text_encoder, which the output would not hold; train it from scratch, or with "
                "model.start: pasd and model.carries_base: true"
            )
        losses = self.losses
        rgb_losses = Ablation.DEGRADATION_REMOVAL not in self.without and (losses.gamma or losses.colorfulness)
        if not (losses.denoising or rgb_losses or losses.picture):
            raise ValueError(
                "without degradation_removal only losses.denoising and losses.picture are left; give one a weight"
            )
        return self

    @model_validator(mode="after")
    def _recorded_text(self) -> Self:
        if self.cuda_graph and TrainablePart.TEXT_ENCODER in self.trainable:
            raise ValueError("cuda_graph cannot record a text encoder that is trained; leave one of them out")
        return self

    @model_validator(mode="after")
    def _pictures(self) -> Self:
        if self.losses.picture is not None and self.precision is Precision.FLOAT16:
            raise ValueError("losses.picture needs the decoder, which overflows in float16; set precision: bfloat16")
        crop_size = self.data.samples.crop_size
        if self.losses.picture is not None and self.losses.picture.grid and crop_size < SMALLEST_GRID_CROP:
            raise ValueError(
                f"losses.picture.grid looks at windows of 64 pixels, but data.samples.crop_size is {crop_size}; set it "
                f"to {SMALLEST_GRID_CROP} or more"
            )
        if TrainablePart.DECODER in self.trainable:
            if self.losses.picture is None:
                raise ValueError("trainable has decoder, which no loss looks at; set losses.picture")
            if not self._exports_base():
                raise ValueError(
                    "trainable has decoder, which the output would not hold; train from scratch, or with model.start: "
                    "pasd and model.carries_base: true"
                )
        return self

    @model_validator(mode="after")
    def _own_teacher(self) -> Self:
        if self.losses.picture is None or self.losses.picture.own_teacher is None:
            return self
        if not isinstance(self.model, FromPasd):
            raise ValueError(
                "losses.picture.own_teacher is the model that training starts from, which must be a trained one; set "
                "model.start: pasd"
            )
        shared = {TrainablePart.DECODER, TrainablePart.TEXT_ENCODER} & {*self.trainable}
        if shared:
            parts = ", ".join(sorted(part.value for part in shared))
            raise ValueError(f"trainable has {parts}, which losses.picture.own_teacher works with; leave it out")
        return self

    def _exports_base(self) -> bool:
        return isinstance(self.model, FromScratch | FromRealEsrgan) or (
            isinstance(self.model, FromPasd) and self.model.carries_base
        )


AnyTraining = TrainingSettings | VaeTrainingSettings


def load_training(path: str | Path, overrides: list[str] | None = None) -> AnyTraining:
    """Read a training's YAML file; `trains` says which training it is (`pasd` if it says nothing).

    Raises:
        ConfigError: naming every setting that is wrong.
    """
    return parse_training(load_yaml(path), source=str(path), overrides=overrides or ())


def parse_training(
    values: dict[str, object], *, source: str = "configuration", overrides: Sequence[str] = ()
) -> AnyTraining:
    """Validate a training's plain values, which come from `source`, with `overrides`.

    Raises:
        ConfigError: naming every setting that is wrong.
    """
    match with_overrides(values, overrides, AnyTraining).get("trains", "pasd"):
        case "pasd":
            return TrainingSettings.parse(values, source=source, overrides=overrides)
        case "vae":
            return VaeTrainingSettings.parse(values, source=source, overrides=overrides)
        case other:
            raise ConfigError(f"{source}: trains is {other!r}; it must be pasd or vae")
