"""Which photo comes when: a function of the seed and the sample's number alone.

Samples are numbered from 0 through the whole training. So a training can resume, or change its number of workers,
without any iterator's state: step, batch and worker give the numbers, the numbers give photos, crops and noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor

from pasd_batch.training.dataset import sample_seed


@dataclass(frozen=True)
class BatchPlan:
    """How the numbers are dealt out: step by step, in each step batch by batch, in each batch worker by worker."""

    batch_size: int
    accumulation: int
    workers: int
    worker: int

    def numbers(self, batch: int) -> range:
        """The samples of this worker's part of a batch; batches are counted through the whole training."""
        first = (batch * self.workers + self.worker) * self.batch_size
        return range(first, first + self.batch_size)

    def batches(self, first_step: int, last_step: int) -> range:
        """The batches of the steps from `first_step` up to `last_step`, which is not included."""
        return range(first_step * self.accumulation, last_step * self.accumulation)


@dataclass(frozen=True)
class SampleOrder:
    """Every photo once an epoch, each epoch in an order of its own."""

    photos: int
    seed: int

    def place(self, number: int) -> tuple[int, int]:
        """Epoch and row of a sample."""
        epoch, position = divmod(number, self.photos)
        return epoch, int(_permutation(self.photos, self.seed, epoch)[position])

    def substitute(self, number: int, attempt: int) -> int:
        """Row of another photo for a sample whose own cannot be used."""
        return sample_seed(self.seed, attempt, f"substitute for sample {number}") % self.photos


class SampleDraws:
    """Random numbers of a batch's diffusion, each sample's from a generator of its own, always drawn on the CPU."""

    def __init__(self, seed: int, numbers: Sequence[int], device: torch.device) -> None:
        self._generators = [Generator().manual_seed(sample_seed(seed, 0, f"diffusion of {n}")) for n in numbers]
        self._device = device

    def normal(self, shape: Sequence[int]) -> Float[Tensor, "batch *shape"]:
        """Unit normal draws, `shape` for each sample."""
        draws = [torch.randn(tuple(shape), generator=generator) for generator in self._generators]
        return torch.stack(draws).to(self._device)

    def integers(self, count: int) -> Int64[Tensor, " batch"]:
        """One of 0 .. count - 1 for each sample."""
        draws = [torch.randint(count, (), generator=generator) for generator in self._generators]
        return torch.stack(draws).to(self._device)

    def fractions(self) -> Float[Tensor, " batch"]:
        """Uniform in [0, 1), one for each sample."""
        return torch.stack([torch.rand((), generator=generator) for generator in self._generators]).to(self._device)


@lru_cache(maxsize=2)
def _permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    generator = Generator().manual_seed(sample_seed(seed, epoch, "order of the epoch"))
    return torch.randperm(count, generator=generator).numpy()
