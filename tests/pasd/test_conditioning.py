"""A photo read tile by tile gives the embedding that it gives as a whole."""

import pytest
import torch

from pasd_batch.config.tiling import TilePlacement, TilingSettings
from pasd_batch.pasd.conditioning import EmbeddingsOnDemand, condition
from pasd_batch.pasd.degradation_removal import DegradationRemovalModule
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.tiled_features import TensorSource
from pasd_batch.pasd.tiling import plan_tiles
from pasd_batch.pasd.vae_tiling import partition


def module(**options):
    torch.manual_seed(3)
    built = DegradationRemovalModule(8, (4, 4, 8, 8), **options)
    built.conv_out.reset_parameters()
    return built


def tiled(size, placement=TilePlacement.EVEN):
    return plan_tiles(size, TilingSettings(tile_size=16, overlap=4, placement=placement))


def whole(size):
    return plan_tiles(size, TilingSettings(tile_size=size.long_side, overlap=0))


@pytest.mark.parametrize("size", [Size(24, 40), Size(16, 56), Size(17, 29)], ids=str)
@pytest.mark.parametrize("use_rrdb", [False, True])
def test_even_tiles_are_crops_of_the_whole(photograph, use_rrdb, size):
    drm = module(use_rrdb=use_rrdb)
    photo = photograph[None, :, : 8 * size.height, : 8 * size.width]
    grid = tiled(size)
    assert len(grid.tiles) > 1
    entire = condition(drm, photo, whole(size))
    parts = condition(drm, photo, grid)
    crops = torch.cat([tile.crop(entire) for tile in grid.tiles])
    torch.testing.assert_close(parts, crops, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("use_rrdb", [False, True])
def test_blocks_of_a_large_photo_fit_together(photograph, use_rrdb, monkeypatch):
    drm, size = module(use_rrdb=use_rrdb), Size(20, 28)
    photo = photograph[None, :, : 8 * size.height, : 8 * size.width]
    at_once = condition(drm, photo, whole(size))
    monkeypatch.setattr("pasd_batch.pasd.conditioning.EMBEDDED_BLOCK", 8)
    torch.testing.assert_close(condition(drm, photo, whole(size)), at_once, rtol=1e-5, atol=1e-6)


def test_blocks_of_a_large_photo_are_computed_once_and_kept_while_tiles_need_them(photograph, monkeypatch):
    drm, size, calls = module(), Size(40, 12), []
    photo = photograph.transpose(1, 2)[None, :, : 8 * size.height, : 8 * size.width]
    grid = tiled(size)
    expected = condition(drm, photo, grid)
    monkeypatch.setattr("pasd_batch.pasd.conditioning.EMBEDDED_BLOCK", 14)
    embeddings = EmbeddingsOnDemand(drm, TensorSource(photo, photo.device), grid)
    with drm.register_forward_hook(lambda *_: calls.append(1)):
        for number in range(len(grid.tiles)):
            torch.testing.assert_close(embeddings[number : number + 1], expected[number : number + 1])
    assert len(grid.tiles) > 2
    assert len(calls) == len(partition(size, 14)) == 3
    assert 0 not in embeddings._rows, "the first row of blocks was no longer needed"
    torch.testing.assert_close(embeddings[:1], expected[:1])


def test_published_tiles_do_not_see_their_surroundings(photograph):
    drm = module()
    size = Size(24, 40)
    photo = photograph[None, :, : 8 * size.height, : 8 * size.width]
    grid = tiled(size, TilePlacement.PUBLISHED)
    with torch.inference_mode():
        crops = torch.cat([drm(tile.crop(photo, 8)).embedding for tile in grid.tiles])
    torch.testing.assert_close(condition(drm, photo, grid), crops)
    entire = condition(drm, photo, whole(size))
    assert not torch.allclose(crops, torch.cat([tile.crop(entire) for tile in grid.tiles]))


def test_heads_that_show_the_clean_photo_are_not_computed(photograph):
    drm, calls = module(), []
    with drm.to_rgbs[0].register_forward_hook(lambda *_: calls.append(1)):
        condition(drm, photograph[None, :, :64, :96], whole(Size(8, 12)))
    assert not calls
