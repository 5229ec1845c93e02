"""Settings that all trainings share."""

from typing import Self

from pydantic import Field, model_validator

from pasd_batch.config.base import Place, Settings
from pasd_batch.config.degradation import DegradationSettings
from pasd_batch.config.duration import Duration
from pasd_batch.config.model import Precision
from pasd_batch.config.optimization import (
    CheckpointSettings,
    OptimizerSettings,
    TrainingLogSettings,
    TrainingWorkers,
)
from pasd_batch.config.training_data import DataSource, TrainingDataSettings
from pasd_batch.config.training_samples import require_equal_sizes


class ValidationSettings(Settings):
    """Looking at the model now and then, on photos it is not trained on."""

    every: int = Field(default=1000, ge=1)
    """Steps between validations; there is one at the end, too."""

    sources: tuple[DataSource, ...] = ()
    """Folder or manifest of the photos; none: no validation."""

    photos: int = Field(default=4, ge=1)
    """Number of photos, the first ones by name."""

    crop_size: int = Field(default=512, ge=16, multiple_of=8)
    """Side of the square cut from each photo's middle; smaller photos are enlarged to it."""

    degradation: DegradationSettings | None = None
    """Degradation that makes the model's input; none: the training's own chain."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    """Fixes degradations and noise, so that validations can be compared."""

    @model_validator(mode="after")
    def _input_as_large_as_target(self) -> Self:
        if self.degradation is not None:
            require_equal_sizes(self.degradation, "degradation")
        return self


class TrainerSettings(Settings):
    """Settings that all trainings share."""

    output: Place
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
    """Optimizer and learning rate."""

    ema_decay: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Decay of the moving average of the weights, which is then what is validated and exported; none: no average."""

    precision: Precision = Precision.FLOAT32
    """Precision in which the networks compute; weights, optimizer and VAE stay in float32."""

    compile: bool = False
    """Compile the networks (`torch.compile`): minutes once for each shape of a batch, then fewer and larger kernels."""

    cuda_graph: bool = False
    """On a GPU, record the losses and gradients of a step once and replay them: small models, whose kernels take longer
    to launch than to run, train several times as fast. For one worker, and neither `float16` nor accumulation."""

    channels_last: bool = False
    """Keep weights and features with the channels innermost from end to end, as GPUs convolve fastest in low precision;
    on CUDA with kernels that normalise and activate in one pass. Losses differ by roundings."""

    stop_after: Duration | None = None
    """Wall-clock time (`90s`, `9min`, `2h`) after which training ends with a checkpoint and the model so far, counted
    from its start and with the time for both taken off; the same command goes on. None: until the last step."""

    gradient_checkpointing: bool = False
    """Compute activations twice instead of keeping them: less memory, about a third more time."""

    device: str = "auto"
    """torch device of trainings without Ray; Ray gives each worker its own."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    """Fixes initial weights, order, crops, degradations and noise."""

    workers: TrainingWorkers = TrainingWorkers()
    """Number of worker processes, and their devices."""

    checkpoints: CheckpointSettings = CheckpointSettings()
    """Checkpoints, which a killed training resumes from."""

    log: TrainingLogSettings = TrainingLogSettings()
    """Log of the training."""

    validation: ValidationSettings = ValidationSettings()
    """Validation on photos that are not trained on."""

    @model_validator(mode="after")
    def _recordable(self) -> Self:
        if self.cuda_graph:
            others = {
                "accumulation": self.accumulation > 1,
                "gradient_checkpointing": self.gradient_checkpointing,
                "precision: float16": self.precision is Precision.FLOAT16,
                "workers.count": self.workers.count > 1,
            }
            if hindering := [name for name, hinders in others.items() if hinders]:
                raise ValueError(f"cuda_graph does not go together with {', '.join(hindering)}; leave one out")
        return self

    @model_validator(mode="after")
    def _loaders_of_ray(self) -> Self:
        if self.workers.ray and self.data.on_device_mib:
            raise ValueError("data.on_device_mib needs workers.ray: false; Ray makes samples in loaders of its own")
        if self.workers.ray and self.data.loaders == 0:
            raise ValueError(
                "data.loaders is 0, which needs workers.ray: false; Ray makes samples in loaders of its own"
            )
        return self
