"""The published placement of tiles and their weights."""

import golden_data
import pytest
import torch

from pasd_batch.config.tiling import TilePlacement, TilingSettings
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.tiling import plan_tiles, tile_weights


def cases() -> list[dict]:
    return golden_data.load("tiles").description["cases"] if golden_data.names("tiles") else []


@pytest.mark.parametrize("case", cases(), ids=str)
def test_placement(case: dict):
    settings = TilingSettings(tile_size=case["tile_size"], overlap=case["overlap"], placement=TilePlacement.PUBLISHED)
    grid = plan_tiles(Size(case["height"], case["width"]), settings)
    assert (len(grid.tiles) > 1) == case["tiled"]
    assert [[tile.top, tile.left] for tile in grid.tiles] == case["offsets"]
    if case["tiled"]:
        assert grid.tile_size == Size(*case["effective_tile"])


def test_weights():
    golden = golden_data.load("tiles")
    for name, expected in golden.tensors.items():
        height, width = map(int, name.removeprefix("weights_").split("x"))
        weights = tile_weights(Size(height, width), TilePlacement.PUBLISHED)
        error = (weights - expected).abs()
        # float64 throughout; the exponential's last bits differ between library versions.
        assert torch.all(error <= 1e-12 * expected.max()), f"{name}: {error.max():.3g}"
