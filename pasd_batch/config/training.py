"""Settings of a training: of PASD itself, and of the VAE below a model of one's own."""

from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from pasd_batch.config.base import ConfigError, Settings, load_yaml, with_overrides
from pasd_batch.config.degradation import DegradationSettings
from pasd_batch.config.intervals import Probability
from pasd_batch.config.losses import LossSettings, PredictionType
from pasd_batch.config.optimization import (
    CheckpointSettings,
    OptimizerSettings,
    TrainingLogSettings,
    TrainingWorkers,
)
from pasd_batch.config.restoration import Precision, SamplingSettings
from pasd_batch.config.training_data import DataSource, TrainingDataSettings
from pasd_batch.config.training_model import (
    EncoderStart,
    FromPasd,
    ModelStart,
    PredictedLatents,
    TrainablePart,
    VaeSizes,
)


class Ablation(StrEnum):
    """What the paper's ablation study takes away."""

    PACA = "paca"
    """Pixel-aware cross attention: its layers are frozen so that they do nothing."""
    DEGRADATION_REMOVAL = "degradation_removal"
    """The to-RGB heads and L_DR: what remains is ControlNet's plain embedding."""
    ADJUSTABLE_NOISE = "adjustable_noise"
    """The adjustable noise schedule: validation starts from pure noise."""
    HIGH_LEVEL_PROMPT = "high_level_prompt"
    """All captions, in training and validation."""


class ValidationSettings(Settings):
    """Looking at the model now and then, on photos it is not trained on."""

    every: int = Field(default=1000, ge=1)
    """Steps between validations; there is one at the end, too."""

    sources: tuple[DataSource, ...] = ()
    """Where the photos are; none: no validation."""

    photos: int = Field(default=4, ge=1)
    """How many photos, the first ones by name."""

    crop_size: int = Field(default=512, ge=16, multiple_of=8)
    """Side of the square cut from each photo's middle; smaller photos are enlarged to it."""

    degradation: DegradationSettings | None = None
    """What makes the model's input; none: the training's own chain."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    """Fixes degradations and noise, so that validations can be compared."""


class TrainerSettings(Settings):
    """What all trainings share."""

    output: str
    """Folder or prefix (local path or URI) of the trained model, its checkpoints and its log."""

    data: TrainingDataSettings
    """The training set."""

    steps: int = Field(ge=1)
    """Optimizer steps in all; a finished training with a larger number here goes on."""

    batch_size: int = Field(default=4, ge=1)
    """Samples that go through the networks together, for each worker."""

    accumulation: int = Field(default=1, ge=1)
    """Batches whose gradients are averaged before a step."""

    optimizer: OptimizerSettings = OptimizerSettings()
    """How gradients become steps."""

    ema_decay: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Decay of the moving average of the weights, which is then what is validated and exported; none: no average."""

    precision: Precision = Precision.FLOAT32
    """What the networks compute in; weights, optimizer and VAE stay in float32."""

    gradient_checkpointing: bool = False
    """Compute activations twice instead of keeping them: less memory, about a third more time."""

    device: str = "auto"
    """torch device of trainings without Ray; Ray gives each worker its own."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    """Fixes initial weights, order, crops, degradations and noise."""

    workers: TrainingWorkers = TrainingWorkers()
    """How many processes."""

    checkpoints: CheckpointSettings = CheckpointSettings()
    """What a killed training resumes from."""

    log: TrainingLogSettings = TrainingLogSettings()
    """What is written down."""

    validation: ValidationSettings = ValidationSettings()
    """What is looked at."""

    @model_validator(mode="after")
    def _loaders_of_ray(self) -> Self:
        if self.workers.ray and self.data.loaders == 0:
            raise ValueError(
                "data.loaders is 0, which needs workers.ray: false; Ray makes samples in loaders of its own"
            )
        return self


class TrainingSettings(TrainerSettings):
    """PASD's training: L = L_DF + gamma L_DR."""

    trains: Literal["pasd"] = "pasd"
    """Names this training."""

    model: ModelStart
    """Where it starts."""

    trainable: tuple[TrainablePart, ...] = (
        TrainablePart.CONTROL_BRANCH,
        TrainablePart.DEGRADATION_REMOVAL,
        TrainablePart.PACA,
    )
    """What learns; everything else is frozen."""

    losses: LossSettings = LossSettings()
    """The objective."""

    without: frozenset[Ablation] = frozenset()
    """Ablations."""

    validation_sampling: SamplingSettings = SamplingSettings()
    """How validation restores; photos are worked on at their own size, whatever `scale` and `min_short_side` say."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        schedule = self.model.schedule
        zero_snr = schedule is not None and schedule.rescale_betas_zero_snr
        if zero_snr and self.losses.prediction_type is PredictionType.EPSILON:
            raise ValueError(
                "model.schedule.rescale_betas_zero_snr needs losses.prediction_type: v_prediction, because at pure "
                "noise the noise says nothing of the photo"
            )
        if isinstance(self.model, FromPasd) and self.without & {Ablation.PACA, Ablation.DEGRADATION_REMOVAL}:
            raise ValueError("a trained PASD (model.start: pasd) cannot lose paca or degradation_removal; start afresh")
        if not self.trainable:
            raise ValueError("trainable is empty; there is nothing to train")
        return self


class VaeLossSettings(Settings):
    """L1 + a perceptual distance + a small KL divergence, each a mean over its elements."""

    l1: float = Field(default=1.0, ge=0.0)
    """Weight of the absolute error, pictures in [-1, 1]."""

    perceptual: float = Field(default=0.0, ge=0.0)
    """Weight of ST-LPIPS; above 0 it needs the package `stlpips-pytorch`."""

    perceptual_share: float = Field(default=1.0, gt=0.0, le=1.0)
    """Share of each batch that the perceptual distance looks at; it costs about as much as a small decoder."""

    kl: float = Field(default=1e-6, ge=0.0)
    """Weight of the divergence of the latents from a unit normal."""

    @model_validator(mode="after")
    def _some_error(self) -> Self:
        if self.l1 == self.perceptual == 0.0:
            raise ValueError("l1 and perceptual are both 0; there is nothing to reconstruct")
        return self


class VaeTrainingSettings(TrainerSettings):
    """Training of the VAE that a model from scratch stands on."""

    trains: Literal["vae"] = "vae"
    """Names this training."""

    sizes: VaeSizes = VaeSizes()
    """The network."""

    initial: Path | None = None
    """Folder with a `vae/` of the same sizes to train further; none: from scratch."""

    encoder: EncoderStart = EncoderStart.RANDOM
    """Where the encoder of a VAE from scratch starts."""

    decoder_only: bool = False
    """Keep the encoder as it starts, and so the latents that a denoiser is trained on; only the decoder learns."""

    losses: VaeLossSettings = VaeLossSettings()
    """The objective."""

    degraded_share: Probability = 0.25
    """Share of samples that are the degraded picture instead of the clean one: sampling starts from its latent."""

    predicted: PredictedLatents | None = None
    """Also decode what a trained denoiser predicts, to the clean picture; none: only photos' own latents."""

    @model_validator(mode="after")
    def _encoder_worth_keeping(self) -> Self:
        started = self.encoder is EncoderStart.PRINCIPAL_COMPONENTS
        if self.initial is not None and started:
            raise ValueError("initial and encoder: principal_components both say where the encoder starts; keep one")
        if self.decoder_only and self.initial is None and not started:
            raise ValueError("decoder_only with a random encoder teaches nothing; set initial, or encoder")
        return self

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.predicted is not None:
            if not self.decoder_only:
                raise ValueError("predicted needs decoder_only: true, or the encoder would leave the denoiser behind")
            if self.degraded_share + self.predicted.share > 1.0:
                raise ValueError(
                    f"degraded_share {self.degraded_share} and predicted.share {self.predicted.share} are more than "
                    "all samples; lower one"
                )
        return self


AnyTraining = TrainingSettings | VaeTrainingSettings


def load_training(path: str | Path, overrides: list[str] | None = None) -> AnyTraining:
    """Read a training's YAML file; `trains` says which training it is (`pasd` if it says nothing).

    Raises:
        ConfigError: naming every setting that is wrong.
    """
    values = with_overrides(load_yaml(path), overrides or [])
    return parse_training(values, source=str(path))


def parse_training(values: dict[str, object], *, source: str = "configuration") -> AnyTraining:
    """Validate a training's plain values.

    Raises:
        ConfigError: naming every setting that is wrong.
    """
    match values.get("trains", "pasd"):
        case "pasd":
            return TrainingSettings.parse(values, source=source)
        case "vae":
            return VaeTrainingSettings.parse(values, source=source)
        case other:
            raise ConfigError(f"{source}: trains is {other!r}; it must be pasd or vae")
