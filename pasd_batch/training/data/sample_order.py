"""Order of the photos: a function of the seed and the sample's number alone.

Samples are numbered from 0 through the whole training. So a training can resume, or change its number of workers,
without any iterator's state: step, batch and worker give the numbers, the numbers give photos, crops and noise.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Generator

from pasd_batch.training.data.dataset import sample_seed


@dataclass(frozen=True)
class BatchPlan:
    """Distribution of the sample numbers: step by step, in each step batch by batch, in each batch worker by worker."""

    batch_size: int
    accumulation: int
    world_size: int
    rank: int

    def numbers(self, batch: int) -> range:
        """The samples of this worker's part of a batch; batches are counted through the whole training."""
        first = (batch * self.world_size + self.rank) * self.batch_size
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


@lru_cache(maxsize=2)
def _permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    generator = Generator().manual_seed(sample_seed(seed, epoch, "order of the epoch"))
    return torch.randperm(count, generator=generator).numpy()
