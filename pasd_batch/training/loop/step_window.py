"""Totals of the steps since the last line of the log, over all workers."""

import logging
import time

import torch
import torch.distributed
from torch import Tensor

from pasd_batch.training.data.batch_maker import NumberedBatch
from pasd_batch.training.loop.placement import Placement
from pasd_batch.training.loop.stepping import StepReport

logger = logging.getLogger(__name__)


class StepWindow:
    """Collects steps until it is closed."""

    def __init__(self, placement: Placement, skipped: int) -> None:
        self.all_skipped = skipped
        """Photos skipped in the whole training, as of the last line."""
        self._placement = placement
        self._reset()

    def add(self, report: StepReport, made: list[NumberedBatch]) -> None:
        """Take in a step."""
        for name, loss in report.losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + loss.double()
        self._steps += 1
        self._left_out += ~report.updated
        self._last = report
        self._samples += sum(len(each.numbers) for each in made)
        self._skipped += sum(sum(each.skipped.values()) for each in made)

    def close(self, *, ends: bool) -> tuple[dict[str, float], bool]:
        """Means of the losses over steps and workers, and other numbers; and whether any worker `ends` here.

        Then start anew. A collective operation.
        """
        assert self._last is not None
        names = sorted(self._sums)
        means = [torch.as_tensor(self._sums[name]).cpu().double() / self._steps for name in names]
        counts = torch.tensor([self._skipped, ends], dtype=torch.float64)
        *losses, skipped, ending = self._summed(torch.cat([torch.stack(means), counts])).tolist()
        self.all_skipped += round(skipped)
        left_out = int(self._left_out)
        if left_out:
            logger.warning("%d of the last %d steps left out: gradients were not finite numbers", left_out, self._steps)
        values = {name: loss / self._placement.world_size for name, loss in zip(names, losses, strict=True)}
        values |= {
            "gradient_norm": float(self._last.gradient_norm),
            "learning_rate": self._last.rate,
            "steps_left_out": left_out,
            "photos_skipped": self.all_skipped,
            "samples_per_second": self._samples * self._placement.world_size / (time.perf_counter() - self._started),
        }
        self._reset()
        return values, ending > 0.0

    def _summed(self, values: Tensor) -> Tensor:
        if self._placement.world_size == 1:
            return values
        shared = values.to(self._placement.device)
        torch.distributed.all_reduce(shared)
        return shared.cpu()

    def _reset(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._last: StepReport | None = None
        self._left_out: Tensor | int = 0
        self._steps = self._samples = self._skipped = 0
        self._started = time.perf_counter()
