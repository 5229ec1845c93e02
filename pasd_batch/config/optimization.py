"""Settings of the training loop itself: optimizer, checkpoints, log and processes; the optimizer's as released."""

from enum import StrEnum

from pydantic import Field

from pasd_batch.config.base import LocalPath, Settings
from pasd_batch.config.model import Precision


class RateDecay(StrEnum):
    """Schedule of the learning rate after the warm-up."""

    CONSTANT = "constant"
    COSINE = "cosine"


class OptimizerSettings(Settings):
    """AdamW."""

    learning_rate: float = Field(default=5e-5, gt=0.0)
    """Learning rate after the warm-up."""

    warm_up_steps: int = Field(default=0, ge=0)
    """Steps over which the rate grows linearly from 0."""

    decay: RateDecay = RateDecay.CONSTANT
    """`cosine` falls to 5 % of the learning rate at the last step."""

    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the gradient's and the squared gradient's moving averages."""

    weight_decay: float = Field(default=0.01, ge=0.0)
    """Decoupled weight decay."""

    epsilon: float = Field(default=1e-8, gt=0.0)
    """Added to the root of the squared gradient's average."""

    clip_norm: float | None = Field(default=1.0, gt=0.0)
    """Largest norm of all gradients together; none: no clipping."""


class CheckpointSettings(Settings):
    """Checkpoints, below `checkpoints/` of the output; each is also a PASD folder of its own."""

    every: int = Field(default=1000, ge=1)
    """Steps between checkpoints; there is one at the end, too."""

    keep: int = Field(default=3, ge=1)
    """Newest checkpoints that are kept."""

    export_precision: Precision = Precision.FLOAT32
    """Precision of the weights that restoring reads; the training's own state is float32."""


class TrainingLogSettings(Settings):
    """`log.jsonl` in the output, a progress bar, and TensorBoard if wished."""

    every: int = Field(default=10, ge=1)
    """Steps between lines; each has the means of the steps since the one before."""

    tensorboard: LocalPath | None = None
    """Local folder for TensorBoard's files (needs the package `tensorboard`); none: no TensorBoard."""

    progress: bool = True
    """Show a progress bar where standard error is a terminal."""


class TrainingWorkers(Settings):
    """Processes that train together, each with `batch_size` samples at a time."""

    ray: bool = True
    """Train on Ray Train with data through Ray Data; off: in this process alone, without Ray."""

    count: int = Field(default=1, ge=1)
    """Workers."""

    cpus: float = Field(default=1.0, gt=0.0)
    """CPU cores a worker reserves; it computes on as many threads."""

    gpus: float | None = Field(default=None, ge=0.0)
    """GPUs a worker; none: 1 where the cluster has any when the training begins, else 0."""

    max_failures: int = Field(default=3, ge=0)
    """Crashes of a worker after which training ends; until then it goes on from the last checkpoint."""
