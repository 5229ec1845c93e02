"""Features of a picture computed tile by tile, from cached features or the picture itself."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.tiled_group_norm import PooledStatistics, StatisticsMeasured, TileView
from pasd_batch.pasd.tiling import Tile
from pasd_batch.pasd.vae_stages import Stage

PrecisionContext = Callable[[], AbstractContextManager[None]]
"""Factory of the context in which layers run, such as `float32_matmul_precision`."""


@runtime_checkable
class Source(Protocol):
    """Picture or feature map that gives tiles on demand."""

    @property
    def size(self) -> Size:
        """Size in its own pixels."""
        ...

    def part(self, tile: Tile) -> Tensor:
        """A tile, in its own pixels, on the device of the computation."""
        ...


@dataclass(frozen=True)
class TensorSource:
    """Source that is a tensor held in memory."""

    picture: Tensor
    device: torch.device

    @property
    def size(self) -> Size:
        """Its size."""
        return Size.of(self.picture)

    def part(self, tile: Tile) -> Tensor:
        """A tile of it."""
        return tile.crop(self.picture).to(self.device)


@dataclass(frozen=True)
class MappedSource:
    """Source to which a pixel-wise function is applied."""

    source: Source
    change: Callable[[Tensor], Tensor]

    @property
    def size(self) -> Size:
        """Its size."""
        return self.source.size

    def part(self, tile: Tile) -> Tensor:
        """A tile after the function."""
        return self.change(self.source.part(tile))


@dataclass(frozen=True)
class TiledFeatures:
    """Features of a picture, computed tile by tile; tiles are in latent pixels."""

    source: Source
    """Cached features, or the picture itself."""

    factor: int
    """Pixels of `source` per latent pixel."""

    tiles: Sequence[Tile]
    """Disjoint parts that cover the picture, of a size that fits the device."""

    stage: Stage | None = None
    """Layers from `source` to these features; None: they are `source` itself."""

    statistics: PooledStatistics | None = None
    """Statistics of the layers' group normalisations; None: the picture is one tile."""

    precision: PrecisionContext = nullcontext

    @property
    def size(self) -> Size:
        """Size of the picture in latent pixels."""
        last = self.tiles[-1]
        return Size(last.top + last.size.height, last.left + last.size.width)

    def then(self, stage: Stage) -> "TiledFeatures":
        """The features after further layers."""
        return replace(self, stage=stage if self.stage is None else self.stage.then(stage))

    def cached(self, features: Tensor, device: torch.device) -> "TiledFeatures":
        """Continue from these features, computed for the whole picture."""
        factor = self.factor if self.stage is None else self.stage.factor_out
        return replace(self, source=TensorSource(features, device), factor=factor, stage=None)

    @torch.inference_mode()
    def part(self, tile: Tile) -> Tensor:
        """Features of a tile."""
        if self.stage is None:
            return self.source.part(tile.scaled(self.factor))
        with self.precision():
            features = self.stage.apply(self._input_tile(self.stage, tile))
        if self.statistics is None:
            return features
        assert self.statistics.view is not None
        return self.statistics.view.inner_part(features)

    @torch.inference_mode()
    def whole(self) -> Tensor:
        """Features of the whole picture; of several tiles in main memory, to spare the accelerator's."""
        if self.stage is None and isinstance(self.source, TensorSource):
            return self.source.picture
        if len(self.tiles) == 1:
            return self.part(self.tiles[0])
        factor = self.factor if self.stage is None else self.stage.factor_out
        whole = torch.empty(0)
        for number, tile in enumerate(self.tiles):
            features = self.part(tile)
            if number == 0:
                sides = self.size.height * factor, self.size.width * factor
                whole = torch.empty(*features.shape[:2], *sides, dtype=features.dtype)
            tile.crop(whole, factor).copy_(features)
        return whole

    @torch.inference_mode()
    def measure(self, norm: nn.GroupNorm) -> None:
        """Measure the statistics of one of the layers' normalisations; those before it are known."""
        assert self.stage is not None
        assert self.statistics is not None
        self.statistics.watched = norm
        for tile in self.tiles:
            with self.precision():
                _run_until_measured(self.stage, self._input_tile(self.stage, tile))
        self.statistics.pool()

    def _input_tile(self, stage: Stage, tile: Tile) -> Tensor:
        """Crop a tile with its halo from the source, and set the view of the statistics."""
        size, inner = self.source.size, tile.scaled(self.factor)
        if self.statistics is None:
            return self.source.part(inner)
        outer = inner.expanded(stage.halo, size)
        self.statistics.view = TileView(inner.relative_to(outer), outer.size)
        return self.source.part(outer)


def _run_until_measured(stage: Stage, features: Tensor) -> None:
    try:
        stage.apply(features)
    except StatisticsMeasured:
        return
