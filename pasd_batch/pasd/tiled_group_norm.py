"""Group normalisation whose statistics span several tiles of one picture."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.tiling import Tile


class StatisticsMeasured(Exception):
    """Ends a forward pass that has shown the statistics it was made for."""


@dataclass(frozen=True)
class TileView:
    """A tile within the larger piece that is processed for it."""

    inner: Tile
    """The tile proper, in pixels of the piece."""

    outer: Size
    """The piece."""

    def inner_part(self, features: Tensor) -> Tensor:
        """The tile proper's part of features made from the piece, at whatever resolution they are."""
        height, width = features.shape[2:]
        top, left = self.inner.top * height // self.outer.height, self.inner.left * width // self.outer.width
        size = self.inner.size
        inner = Size(size.height * height // self.outer.height, size.width * width // self.outer.width)
        return Tile(top, left, inner).crop(features)


@dataclass
class PooledStatistics:
    """Statistics over all tiles, put in place of each tile's own by forward hooks."""

    watched: nn.GroupNorm | None = None
    """The normalisation being measured; a forward pass ends there."""

    view: TileView | None = None
    """The tile being processed."""

    measured: list[tuple[int, Tensor, Tensor]] = field(default_factory=list)
    """Number of values, mean and variance of each tile at the watched normalisation."""

    pooled: dict[nn.GroupNorm, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """Mean and variance (batch, groups) over the whole picture."""

    @contextmanager
    def over(self, norms: Sequence[nn.GroupNorm]) -> Iterator[None]:
        """Watch and steer these normalisations while the context lasts."""
        handles = [norm.register_forward_hook(self._hook) for norm in norms]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def pool(self) -> None:
        """Combine what the tiles showed at the watched normalisation (law of total variance)."""
        assert self.watched is not None
        counts = torch.tensor([count for count, _, _ in self.measured], dtype=torch.float64)
        shares = (counts / counts.sum()).to(self.measured[0][1].device)[:, None, None]
        means = torch.stack([mean for _, mean, _ in self.measured])
        variances = torch.stack([variance for _, _, variance in self.measured])
        mean = (shares * means).sum(0)
        self.pooled[self.watched] = (mean, (shares * (variances + (means - mean) ** 2)).sum(0))
        self.measured = []
        self.watched = None

    def _hook(self, norm: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        assert isinstance(norm, nn.GroupNorm)
        assert self.view is not None
        if norm is self.watched:
            inner = self.view.inner_part(inputs[0]).float()
            groups = inner.reshape(inner.shape[0], norm.num_groups, -1)
            variance, mean = torch.var_mean(groups, dim=2, correction=0)
            self.measured.append((groups.shape[2], mean.double(), variance.double()))
            raise StatisticsMeasured
        return _normalise(norm, inputs[0], *self.pooled[norm])


def _normalise(norm: nn.GroupNorm, features: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    channels_per_group = norm.num_channels // norm.num_groups
    scale = (variance + norm.eps).rsqrt()
    weight = norm.weight.double() * scale.repeat_interleave(channels_per_group, dim=1)
    bias = norm.bias.double() - mean.repeat_interleave(channels_per_group, dim=1) * weight
    return torch.addcmul(bias[..., None, None].float(), features.float(), weight[..., None, None].float()).to(
        features.dtype
    )
