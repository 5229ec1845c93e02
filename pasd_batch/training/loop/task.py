"""Task of the training loop: an objective, how its model is stored, and how it restores when it is validated."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from pasd_batch.config.model import Precision
from pasd_batch.training.loop.checkpoints import ModelFiles
from pasd_batch.training.loop.validation import ValidationPhoto


@runtime_checkable
class TrainingTask(Protocol):
    """One kind of training."""

    @property
    def objective(self) -> nn.Module:
        """Called with a `NumberedBatch`, gives `loss` and its parts; what requires gradients is trained."""
        ...

    def prepare(self) -> None:
        """Called once, when the objective is on its device."""
        ...

    @property
    def networks_in_use(self) -> Sequence[nn.Module]:
        """Modules that the objective calls; each may be compiled separately."""
        ...

    @property
    def loss_networks(self) -> Sequence[nn.Module]:
        """Frozen networks of the losses."""
        ...

    def model_files(self, precision: Precision) -> ModelFiles:
        """The present model's files."""
        ...

    def restore(self, photos: Sequence[ValidationPhoto]) -> list[Tensor | None]:
        """The present model's results, (3, side, side) in [0, 1] on the CPU; None where it has none."""
        ...
