"""Cutting latents into overlapping tiles, and blending tiles back with gaussian weights.

Tiled denoising merges the predicted noise of all tiles at every step, so that the solver sees one whole latent
(MultiDiffusion, arXiv 2302.08113; the released PASD does the same).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.tiling import TilePlacement, TilingSettings
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.memory import FULL_PRECISION_NOISE

VARIANCE = 0.01
"""Variance of the gaussian in units of the squared tile side, as published."""

WEIGHT_FLOOR = 1e-4
"""Smallest weight relative to the largest, so that no sum of weights is 0."""


@dataclass(frozen=True)
class Tile:
    """A rectangle of latents."""

    top: int
    left: int
    size: Size

    def crop(self, image: Tensor, factor: int = 1) -> Tensor:
        """The tile's part of a tensor (..., height, width) that is `factor` times as large as the latents."""
        top, left = self.top * factor, self.left * factor
        return image[..., top : top + self.size.height * factor, left : left + self.size.width * factor]

    def scaled(self, factor: int) -> "Tile":
        """The rectangle at `factor` times the resolution."""
        return Tile(self.top * factor, self.left * factor, Size(self.size.height * factor, self.size.width * factor))

    def expanded(self, margin: int, within: Size) -> "Tile":
        """The rectangle grown by `margin` on each side, clipped to a picture of size `within`."""
        top, left = max(0, self.top - margin), max(0, self.left - margin)
        bottom = min(within.height, self.top + self.size.height + margin)
        right = min(within.width, self.left + self.size.width + margin)
        return Tile(top, left, Size(bottom - top, right - left))

    def rows(self, top: int, bottom: int) -> "Tile | None":
        """The part of the rectangle between these rows; None if there is none."""
        top, bottom = max(top, self.top), min(bottom, self.top + self.size.height)
        return Tile(top, self.left, Size(bottom - top, self.size.width)) if top < bottom else None

    def relative_to(self, outer: "Tile") -> "Tile":
        """The rectangle in coordinates of a larger one."""
        return Tile(self.top - outer.top, self.left - outer.left, self.size)


@dataclass(frozen=True)
class TileGrid:
    """Tiles of one size that together cover latents of `size`, with the weights that blend them."""

    size: Size
    tiles: tuple[Tile, ...]
    placement: TilePlacement

    @property
    def tile_size(self) -> Size:
        """The size that all tiles share."""
        return self.tiles[0].size

    def blend(self, parts: Float[Tensor, "tiles channels height width"]) -> Float[Tensor, "1 channels _h _w"]:
        """Weighted mean of overlapping tiles in float32; one part for each tile, in order."""
        blending = Blending(self)
        for number in range(len(self.tiles)):
            blending.add(number, parts[number : number + 1])
        return blending.result()


class Blending:
    """Running weighted mean of a grid's overlapping tiles; of a very large picture in float16."""

    def __init__(self, grid: TileGrid) -> None:
        self._grid = grid
        self._total: Tensor | None = None
        self._weights: Tensor | None = None
        self._sum: Tensor | None = None

    def add(self, number: int, part: Float[Tensor, "1 channels height width"]) -> None:
        """Add the next tile."""
        grid = self._grid
        if len(grid.tiles) == 1:
            self._total = part.float()
            return
        if self._total is None or self._weights is None:
            self._weights = tile_weights(grid.tile_size, grid.placement).to(part.device, torch.float32)
            is_large = part.shape[1] * grid.size.area > FULL_PRECISION_NOISE
            shape = (1, part.shape[1], grid.size.height, grid.size.width)
            self._total = torch.zeros(shape, dtype=torch.float16 if is_large else torch.float32, device=part.device)
            # Small weights would be lost in float16: there each is its share of their sum.
            self._sum = self._summed(self._weights) if is_large else None
        tile = grid.tiles[number]
        weights = self._weights if self._sum is None else self._weights / tile.crop(self._sum)
        tile.crop(self._total).add_(part.float() * weights)

    def result(self) -> Float[Tensor, "1 channels _h _w"]:
        """The mean, after all tiles were added."""
        assert self._total is not None
        if self._weights is None or self._sum is not None:
            return self._total
        return self._total.div_(self._summed(self._weights))

    def _summed(self, weights: Tensor) -> Float[Tensor, "1 1 height width"]:
        """The sum of the tiles' weights at each place."""
        total = torch.zeros(1, 1, self._grid.size.height, self._grid.size.width, device=weights.device)
        for tile in self._grid.tiles:
            tile.crop(total).add_(weights)
        return total


def plan_tiles(size: Size, settings: TilingSettings) -> TileGrid:
    """Tiles for latents of a size: one tile covers everything up to an area of `tile_size` squared."""
    if size.area <= settings.tile_size**2:
        return TileGrid(size, (Tile(0, 0, size),), settings.placement)
    match settings.placement:
        case TilePlacement.EVEN:
            return _even_grid(size, settings.tile_size, settings.overlap)
        case TilePlacement.PUBLISHED:
            return _published_grid(size, settings.tile_size, settings.overlap)


def _even_grid(size: Size, tile_size: int, overlap: int) -> TileGrid:
    """First the number of tiles, then their size: as few as fit the area, equally large and equally spread.

    A side shorter than `tile_size` lets the tiles be longer along the other, so that a panorama is cut into few.
    """
    limit_height = max(tile_size, tile_size**2 // size.width) if size.width < tile_size else tile_size
    limit_width = max(tile_size, tile_size**2 // size.height) if size.height < tile_size else tile_size
    height, tops = _spread(size.height, limit_height, overlap)
    width, lefts = _spread(size.width, limit_width, overlap)
    tiles = tuple(Tile(top, left, Size(height, width)) for top in tops for left in lefts)
    return TileGrid(size, tiles, TilePlacement.EVEN)


def _spread(length: int, limit: int, overlap: int) -> tuple[int, list[int]]:
    """Tile side (a multiple of 8 where it can be) and offsets along an axis, with at least `overlap` in common."""
    if length <= limit:
        return length, [0]
    limit -= limit % 8
    count = -(-(length - overlap) // (limit - overlap))
    side = -(-(length + (count - 1) * overlap) // count)
    side = min(-(-side // 8) * 8, limit)
    return side, [round(index * (length - side) / (count - 1)) for index in range(count)]


def _published_grid(size: Size, tile_size: int, overlap: int) -> TileGrid:
    """Square tiles as the released code places them: column by column, the last one pushed back to the border."""
    side = min(tile_size, size.height, size.width)
    # A thin picture has smaller tiles than the overlap was chosen for.
    step = side - (overlap if overlap < side else side // 2)
    tops, lefts = ([*range(0, length - side, step), length - side] for length in (size.height, size.width))
    tiles = tuple(Tile(top, left, Size(side, side)) for left in lefts for top in tops)
    return TileGrid(size, tiles, TilePlacement.PUBLISHED)


def tile_weights(tile: Size, placement: TilePlacement) -> Float[Tensor, "1 1 height width"]:
    """Gaussian weights of a tile in float64.

    The published form is centred at T/2 vertically and at (T-1)/2 horizontally and is not normalised; the even form
    is symmetric, has the peak 1 and never falls below `WEIGHT_FLOOR`.
    """
    published = placement is TilePlacement.PUBLISHED
    vertical = _gaussian(tile.height, tile.height / 2 if published else (tile.height - 1) / 2)
    horizontal = _gaussian(tile.width, (tile.width - 1) / 2)
    weights = (vertical[:, None] * horizontal[None, :])[None, None]
    if published:
        return weights / (2 * torch.pi * VARIANCE)
    return (weights / weights.max()).clamp_min(WEIGHT_FLOOR)


def _gaussian(length: int, middle: float) -> Float[Tensor, " length"]:
    positions = torch.arange(length, dtype=torch.float64)
    return torch.exp(-((positions - middle) ** 2) / (2 * VARIANCE * length**2))
