"""Mean and standard deviation of a photo, accumulated over tiles."""

import torch
from torch import Tensor

from pasd_batch.pasd.color_fix import ChannelStatistics
from pasd_batch.pasd.padding import Image


class RunningMoments:
    """Sums of values and squares over disjoint tiles of a photo, in float64."""

    def __init__(self) -> None:
        self._count = 0
        self._sums = torch.zeros(1, 3, 1, 1, dtype=torch.float64)
        self._squares = torch.zeros(1, 3, 1, 1, dtype=torch.float64)

    def add(self, part: Image) -> None:
        """Add a tile."""
        values = part.double()
        self._count += part.shape[2] * part.shape[3]
        self._sums += values.sum((2, 3), keepdim=True).cpu()
        self._squares += values.square().sum((2, 3), keepdim=True).cpu()

    def statistics(self, device: torch.device) -> ChannelStatistics:
        """Mean and standard deviation of each channel over the whole photo."""
        mean = self._sums / self._count
        spread = (self._squares / self._count - mean.square()).clamp(min=0.0)
        variance = spread * (self._count / max(1, self._count - 1))
        return ChannelStatistics.from_variance(mean.float().to(device), variance.float().to(device))

    def deviation(self) -> Tensor:
        """Standard deviation over all channels together."""
        mean = self._sums.sum() / (3 * self._count)
        spread = self._squares.sum() / (3 * self._count) - mean.square()
        return spread.clamp(min=0.0).sqrt().float()
