"""Rank, world size and device of a worker."""

from dataclasses import dataclass

import torch

from pasd_batch.config.trainer import TrainerSettings
from pasd_batch.training.data.sample_order import BatchPlan


@dataclass(frozen=True)
class Placement:
    """Device of this worker, its rank, and the number of workers."""

    device: torch.device
    rank: int = 0
    world_size: int = 1

    def plan(self, settings: TrainerSettings) -> BatchPlan:
        """Plan of the samples that this worker gets."""
        return BatchPlan(settings.batch_size, settings.accumulation, self.world_size, self.rank)
