"""Where one of a training's workers stands."""

from dataclasses import dataclass

import torch

from pasd_batch.config.trainer import TrainerSettings
from pasd_batch.training.data.sample_order import BatchPlan


@dataclass(frozen=True)
class Placement:
    """Which of how many workers this is, and where it computes."""

    device: torch.device
    worker: int = 0
    workers: int = 1

    def plan(self, settings: TrainerSettings) -> BatchPlan:
        """Which samples this worker gets."""
        return BatchPlan(settings.batch_size, settings.accumulation, self.workers, self.worker)
