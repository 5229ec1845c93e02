"""Inputs of a training step: all that differs from batch to batch, so that the rest can be recorded once."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from pasd_batch.degradation.batch_tensors import to_device
from pasd_batch.training.data.batch_maker import NumberedBatch
from pasd_batch.training.objectives.losses import Picture


@dataclass(frozen=True, eq=False)
class StepInputs:
    """Tensors on the step's device, and the one number that decides which operations the step takes."""

    clean: Picture
    """Clean pictures in [-1, 1]."""

    degraded: Picture
    """Degraded pictures in [0, 1]."""

    numbers: Int64[Tensor, " batch"]
    """The samples' numbers, which their random numbers follow from."""

    text_states: Float[Tensor, "batch words text_channels"]
    """States of the captions."""

    sampled_steps: int = 1
    """Steps of sampling, of which the last one is learned."""

    guides: tuple[Float[Tensor, "batch words text_channels"], ...] = ()
    """States of what guides the model's own teacher, if there is one."""

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors."""
        return self.clean, self.degraded, self.numbers, self.text_states, *self.guides

    @property
    def kind(self) -> tuple[object, ...]:
        """Equal for inputs that the same operations work on."""
        return self.sampled_steps, *((tensor.shape, tensor.dtype) for tensor in self.tensors)

    def copy(self) -> "StepInputs":
        """The same values in memory of their own."""
        clean, degraded, numbers, text_states, *guides = (tensor.clone() for tensor in self.tensors)
        return StepInputs(clean, degraded, numbers, text_states, self.sampled_steps, tuple(guides))


def numbers_of(made: NumberedBatch) -> Int64[Tensor, " batch"]:
    """The numbers of a batch's samples, where its pictures are."""
    return to_device(torch.tensor(made.numbers, dtype=torch.int64), made.batch.clean.device)
