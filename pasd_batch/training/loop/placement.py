"""Placement of one of a training's workers."""

from dataclasses import dataclass

import torch

from pasd_batch.config.trainer import TrainerSettings
from pasd_batch.training.data.sample_order import BatchPlan


@dataclass(frozen=True)
class Placement:
    """Rank of this worker, the number of workers, and its device."""

    device: torch.device
    worker: int = 0
    workers: int = 1

    def plan(self, settings: TrainerSettings) -> BatchPlan:
        """Plan of the samples that this worker gets."""
        return BatchPlan(settings.batch_size, settings.accumulation, self.workers, self.worker)
