"""Group normalisation with statistics over all tiles of a picture, for tiled VAEs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.tiling import Tile


class StatisticsMeasured(Exception):
    """Ends a forward pass at the normalisation that is being measured."""


@dataclass(frozen=True)
class TileView:
    """A tile within the larger crop (tile and halo) that is processed for it."""

    inner: Tile
    """The tile without its halo, in pixels of the crop."""

    outer: Size
    """Size of the crop."""

    def inner_part(self, features: Tensor) -> Tensor:
        """Crop features of tile and halo, at any resolution, to the tile."""
        height, width = features.shape[2:]
        top, left = self.inner.top * height // self.outer.height, self.inner.left * width // self.outer.width
        size = self.inner.size
        inner = Size(size.height * height // self.outer.height, size.width * width // self.outer.width)
        return Tile(top, left, inner).crop(features)


@dataclass
class PooledStatistics:
    """Statistics over all tiles, which forward hooks use in place of each tile's own."""

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
        """Hook these normalisations while the context lasts."""
        handles = [norm.register_forward_hook(self._hook) for norm in norms]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def pool(self) -> None:
        """Combine the tiles' means and variances at the measured normalisation (law of total variance)."""
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
