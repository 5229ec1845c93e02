"""A photo restored in tiles is the photo restored whole, and shows no seams."""

import pytest
import torch
from tiny_model import levels_apart

from pasd_batch.config.tiling import TilingSettings
from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
from pasd_batch.pasd.tiling import plan_tiles

TILES = TilingSettings(tile_size=16, overlap=8)
SEAM_FACTOR = 1.1
"""How much steeper than elsewhere a picture may be where tiles end."""


def peak_signal_to_noise(one, other):
    return float(-10 * torch.log10((one - other).square().mean()))


def restored(make_restorer, photo, *, seed=1, **sampling):
    (result,) = make_restorer(**sampling).restore([photo], prompts=["a woman"], seeds=[seed])
    return result


def seam(image, grid):
    """Mean absolute gradient across the borders of tiles, as a multiple of that everywhere else."""
    ratios = []
    for dim, start, side in ((1, "top", "height"), (2, "left", "width")):
        length = image.shape[dim]
        borders = {
            LATENT_FACTOR * edge
            for tile in grid.tiles
            for edge in (getattr(tile, start), getattr(tile, start) + getattr(tile.size, side))
        } - {0, length}
        steps = image.diff(dim=dim).abs().transpose(0, dim).flatten(1).mean(1)
        at_border = torch.tensor([index + 1 in borders for index in range(length - 1)])
        ratios.append(float(steps[at_border].mean() / steps[~at_border].mean()))
    return max(ratios)


@pytest.fixture
def photo(photograph):
    return photograph[:, :192, 120:376]


@pytest.fixture
def grid(photo):
    return plan_tiles(Size.of(photo).scaled(1 / LATENT_FACTOR), TILES)


def test_tiles_give_the_picture_that_the_whole_gives(make_restorer, photo):
    """38 dB, where another seed gives less than 20."""
    whole = restored(make_restorer, photo)
    tiled = restored(make_restorer, photo, tiling=TILES)
    assert (whole.report.tiles, tiled.report.tiles) == (1, 6)
    assert peak_signal_to_noise(tiled.image, whole.image) > 38
    assert peak_signal_to_noise(restored(make_restorer, photo, seed=2).image, whole.image) < 20


def test_no_seams(make_restorer, photo, grid):
    """Neither in the picture nor in what tiling changed of it, where a seam stands out more."""
    whole = restored(make_restorer, photo).image
    tiled = restored(make_restorer, photo, tiling=TILES).image
    assert seam(tiled, grid) < SEAM_FACTOR
    assert seam(tiled - whole, grid) < SEAM_FACTOR


def test_the_seam_measure_sees_steps_of_two_levels(make_restorer, photo, grid):
    whole = restored(make_restorer, photo).image
    flawed = restored(make_restorer, photo, tiling=TILES).image.clone()
    for number, tile in enumerate(grid.tiles):
        tile.crop(flawed, LATENT_FACTOR).add_((-1) ** number / 255)
    assert seam(flawed - whole, grid) > SEAM_FACTOR


def test_tiles_of_the_vae_change_nothing(make_restorer, photo):
    whole = restored(make_restorer, photo)
    tiled = restored(make_restorer, photo, tiling=TilingSettings(vae_tile_size=16))
    assert levels_apart(whole.image, tiled.image) <= 1
