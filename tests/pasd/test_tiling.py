"""Tiles cover everything with as few tiles as they can; blending gives a cut picture back."""

from itertools import pairwise
from math import ceil

import pytest
import torch

from pasd_batch.config.tiling import TilePlacement, TilingSettings
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.tiling import WEIGHT_FLOOR, plan_tiles, tile_weights

SIZES = [
    Size(8, 8),
    Size(96, 96),
    Size(96, 97),
    Size(97, 96),
    Size(100, 250),
    Size(104, 104),
    Size(176, 176),
    Size(177, 177),
    Size(16, 4000),
    Size(4000, 16),
    Size(1, 20000),
    Size(95, 640),
    Size(333, 517),
    Size(512, 768),
]
SETTINGS = [
    TilingSettings(tile_size=96, overlap=16),
    TilingSettings(tile_size=96, overlap=0),
    TilingSettings(tile_size=64, overlap=32),
    TilingSettings(tile_size=40, overlap=7),
]
EVERY_SIZE = pytest.mark.parametrize("size", SIZES, ids=str)
EVERY_SETTING = pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: f"tile{s.tile_size}overlap{s.overlap}")


def axis(grid, start, side):
    """The (start, end) of the distinct tile rows or columns of a grid."""
    return sorted({(getattr(tile, start), getattr(tile, start) + getattr(tile.size, side)) for tile in grid.tiles})


@EVERY_SETTING
@EVERY_SIZE
def test_even_tiles_cover_everything_and_overlap_enough(size, settings):
    grid = plan_tiles(size, settings)
    for length, spans in (
        (size.height, axis(grid, "top", "height")),
        (size.width, axis(grid, "left", "width")),
    ):
        assert spans[0][0] == 0
        assert spans[-1][1] == length
        for (_, end), (start, _) in pairwise(spans):
            assert end - start >= settings.overlap
    assert len({tile.size for tile in grid.tiles}) == 1


@EVERY_SETTING
@EVERY_SIZE
def test_even_tiles_are_no_larger_than_allowed_and_as_few_as_that_allows(size, settings):
    grid = plan_tiles(size, settings)
    limit = settings.tile_size**2
    assert grid.tile_size.area <= limit
    if size.area <= limit:
        assert len(grid.tiles) == 1
        return
    counts = {"height": len(axis(grid, "top", "height")), "width": len(axis(grid, "left", "width"))}
    for side, other in (("height", "width"), ("width", "height")):
        length, across = getattr(size, side), getattr(size, other)
        longest = max(settings.tile_size, limit // across) // 8 * 8
        fewest = 1 if length <= longest else ceil((length - settings.overlap) / (longest - settings.overlap))
        assert counts[side] <= fewest


def test_a_panorama_is_cut_into_few_tiles():
    grid = plan_tiles(Size(16, 4000), TilingSettings(tile_size=96, overlap=16))
    assert len(grid.tiles) <= ceil(16 * 4000 / 96**2) + 1
    assert grid.tile_size.height == 16


def test_sides_of_even_tiles_divide_by_the_levels_of_the_networks():
    grid = plan_tiles(Size(104, 208), TilingSettings(tile_size=90, overlap=10))
    assert (grid.tile_size.height % 8, grid.tile_size.width % 8) == (0, 0)


@pytest.mark.parametrize("placement", TilePlacement)
@pytest.mark.parametrize("size", [Size(40, 56), Size(24, 100), Size(33, 47)], ids=str)
def test_blending_a_cut_picture_gives_it_back(size, placement):
    picture = torch.randn(1, 4, size.height, size.width, generator=torch.Generator().manual_seed(0))
    grid = plan_tiles(size, TilingSettings(tile_size=24, overlap=8, placement=placement))
    assert len(grid.tiles) > 1
    parts = torch.cat([tile.crop(picture) for tile in grid.tiles])
    torch.testing.assert_close(grid.blend(parts), picture, rtol=1e-5, atol=1e-5)


def test_one_tile_is_returned_as_it_is_in_float32():
    picture = torch.randn(1, 4, 8, 8).bfloat16()
    blended = plan_tiles(Size(8, 8), TilingSettings(tile_size=8, overlap=0)).blend(picture)
    assert blended.dtype == torch.float32
    assert torch.equal(blended, picture.float())


def test_a_blend_passes_smoothly_from_one_tile_to_the_next():
    grid = plan_tiles(Size(16, 100), TilingSettings(tile_size=32, overlap=16))
    assert len(grid.tiles) == 2
    parts = torch.stack([torch.zeros(1, *(16, grid.tile_size.width)), torch.ones(1, *(16, grid.tile_size.width))])
    line = grid.blend(parts)[0, 0, 8]
    assert (line[0], line[-1]) == (0, 1)
    assert bool((line.diff() >= 0).all())
    assert float(line.diff().max()) < 0.35


@pytest.mark.parametrize("tile", [Size(96, 96), Size(16, 576), Size(1, 9)], ids=str)
def test_even_weights_are_symmetric_and_never_vanish(tile):
    weights = tile_weights(tile, TilePlacement.EVEN)
    assert weights.shape == (1, 1, tile.height, tile.width)
    torch.testing.assert_close(weights, weights.flip(2, 3))
    assert float(weights.max()) == 1.0
    assert float(weights.min()) >= WEIGHT_FLOOR


def test_published_tiles_of_a_picture_thinner_than_the_overlap():
    settings = TilingSettings(tile_size=96, overlap=48, placement=TilePlacement.PUBLISHED)
    grid = plan_tiles(Size(24, 800), settings)
    assert grid.tile_size == Size(24, 24)
    covered = torch.zeros(24, 800, dtype=torch.bool)
    for tile in grid.tiles:
        tile.crop(covered).fill_(True)
    assert bool(covered.all())
