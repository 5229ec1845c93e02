"""Inputs of a training step: everything that differs from batch to batch, so that a CUDA graph can hold the rest."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from pasd_batch.degradation.batch_tensors import to_device
from pasd_batch.training.data.batch_maker import NumberedBatch
from pasd_batch.training.objectives.losses import Picture


@dataclass(frozen=True, eq=False)
class StepInputs:
    """Tensors on the step's device, and the number of sampling steps, which decides on the operations."""

    clean: Picture
    """Clean pictures in [-1, 1]."""

    degraded: Picture
    """Degraded pictures in [0, 1]."""

    numbers: Int64[Tensor, " batch"]
    """The samples' numbers, which their random numbers follow from."""

    text_states: Float[Tensor, "batch words text_channels"]
    """States of the captions."""

    sampled_steps: int = 1
    """Sampling steps of the losses on pictures; only the last one has gradients."""

    teacher_text_states: tuple[Float[Tensor, "batch words text_channels"], ...] = ()
    """Text states of the teacher of a distillation; empty without one."""

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors."""
        return self.clean, self.degraded, self.numbers, self.text_states, *self.teacher_text_states

    @property
    def kind(self) -> tuple[object, ...]:
        """Key that is equal for inputs with the same operations and shapes."""
        return self.sampled_steps, *((tensor.shape, tensor.dtype) for tensor in self.tensors)

    def copy(self) -> "StepInputs":
        """A deep copy."""
        clean, degraded, numbers, text_states, *teacher_text_states = (tensor.clone() for tensor in self.tensors)
        return StepInputs(clean, degraded, numbers, text_states, self.sampled_steps, tuple(teacher_text_states))


def numbers_of(made: NumberedBatch) -> Int64[Tensor, " batch"]:
    """The numbers of a batch's samples, where its pictures are."""
    return to_device(torch.tensor(made.numbers, dtype=torch.int64), made.batch.clean.device)
