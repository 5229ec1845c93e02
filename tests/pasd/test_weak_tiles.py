"""Weak tiles: found by their measures, and mended by a second try of the photo."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from tiny_model import levels_apart

from pasd_batch.config.sampling import ColorFix
from pasd_batch.config.tiling import TilingSettings
from pasd_batch.config.weak_tiles import RetryWeakSettings
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.passes import MultiPassRestorer
from pasd_batch.pasd.seeds import derived_seed
from pasd_batch.pasd.tiled_features import TensorSource, TiledFeatures
from pasd_batch.pasd.tiling import Tile, plan_tiles
from pasd_batch.pasd.weak_tiles import find_weakness, measure_tiles

TILING = TilingSettings(tile_size=16, overlap=2)
SMALL = TilingSettings(tile_size=8, overlap=0)
ON = RetryWeakSettings(enabled=True)


@pytest.fixture
def photo(photograph):
    return photograph[None, :, 100:340, 120:360]


@pytest.fixture
def grid(photo):
    return plan_tiles(Size(photo.shape[2] // 8, photo.shape[3] // 8), TILING)


def flat(tile):
    return tile.mean(dim=(2, 3), keepdim=True)


def saturated(tile):
    gray = tile.mean(dim=1, keepdim=True)
    return gray + 4 * (tile - gray) + torch.tensor([0.25, -0.1, -0.15]).view(1, 3, 1, 1)


def broken(photo, grid, number, how):
    """The photo with one tile made worse."""
    result = photo.clone()
    grid.tiles[number].crop(result, 8).copy_(how(grid.tiles[number].crop(photo, 8)))
    return result


@pytest.mark.parametrize(("how", "check"), [(flat, "detail"), (saturated, "color"), (torch.zeros_like, "color")])
@pytest.mark.parametrize("number", [0, 3])
def test_a_flat_or_oversaturated_tile_is_found_and_says_by_which_check(photo, grid, how, check, number):
    found = find_weakness(measure_tiles(broken(photo, grid, number, how), photo, grid), ON)
    assert len(grid.tiles) == 4
    assert (found.tiles, check in found.checks, found.worst > 1) == (1, True, True)


@pytest.mark.parametrize("sigma", [0, 10, 25])
def test_noise_that_is_taken_away_is_no_weakness(photo, grid, sigma):
    noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    noisy = (photo + sigma / 255 * noise).clamp(0, 1)
    sky = photo.clone()
    grid.tiles[1].crop(sky, 8).fill_(0.7)
    for true in (photo, sky):
        found = find_weakness(measure_tiles(true, (true - photo + noisy).clamp(0, 1), grid), ON)
        assert (found.tiles, found.checks) == (0, ())


def test_the_only_tile_of_a_photo_is_judged_by_the_input(photo):
    grid = plan_tiles(Size(30, 30), TilingSettings(tile_size=32))
    measures = measure_tiles(flat(photo).expand_as(photo), photo, grid)
    assert find_weakness(measures, ON).checks == ("detail",)
    assert find_weakness(measure_tiles(photo, photo, grid), ON).tiles == 0


def test_new_colours_are_none_where_they_are_asked_for(photo, grid):
    measures = measure_tiles(broken(photo, grid, 0, saturated), photo, grid)
    assert find_weakness(measures, ON, new_colors=True).tiles == 0


def test_of_two_results_that_with_fewer_weak_tiles_is_better_then_that_whose_worst_is_less_bad(photo, grid):
    one = broken(photo, grid, 0, flat)
    two = broken(one, grid, 3, flat)
    half = broken(photo, grid, 0, lambda tile: 0.25 * tile + 0.75 * flat(tile))
    none, less, more, most = (find_weakness(measure_tiles(each, photo, grid), ON) for each in (photo, half, one, two))
    assert none < less < more < most


class Decoder:
    """The input in place of what a VAE decodes, with a trace of the latents, and with tiles made worse for some."""

    def __init__(self, photo):
        self.photo, self.bad, self.times, self.decoded = photo, {}, {}, []

    @contextmanager
    def decoding(self, source, *, tile_size):
        latents = Tile(0, 0, source.size)
        yield TiledFeatures(TensorSource(self.decode(source.part(latents)), torch.device("cpu")), 8, [latents])

    def decode(self, latents):
        grid = plan_tiles(Size.of(latents), SMALL)
        self.decoded.append(key := float(latents.sum()))
        picture = self.photo + 0.01 * latents[:, :3].sin().repeat_interleave(8, 2).repeat_interleave(8, 3)
        for number in self.bad.get(key, ()):
            picture = broken(picture, grid, number, flat)
        return (2 * picture - 1) * self.times.get(key, 1.0)


@pytest.fixture
def small(photo):
    return photo[..., :128, 60:188]


@pytest.fixture
def restorers(make_restorer, small, monkeypatch):
    """One that looks for weak tiles and one that does not, with the same decoder, and the decoder."""
    decoder, both = Decoder(small), []
    for settings in (ON, RetryWeakSettings()):
        restorer = make_restorer(color_fix=ColorFix.NONE, steps=1, tiling=SMALL, retry_weak=settings)
        pipeline = restorer._pipeline(restorer.settings.sampling)
        monkeypatch.setattr(pipeline, "vae", SimpleNamespace(encoding=pipeline.vae.encoding, decoding=decoder.decoding))
        monkeypatch.setattr(pipeline, "_denoise", lambda photos, *_: [each.start for each in photos])
        both.append(restorer)
    return *both, decoder


def restore(restorer, photo, *seeds):
    return restorer.restore([photo[0]] * len(seeds), prompts=[""] * len(seeds), seeds=seeds)


def test_a_photo_with_a_weak_tile_is_done_again_from_the_next_seed_whatever_the_batch(restorers, small):
    looking, plain, decoder = restorers
    first, second, other = restore(plain, small, 1, derived_seed(1, "second try"), 2)
    decoder.bad = {decoder.decoded[0]: [2]}
    weak = restore(plain, small, 1)[0]
    assert levels_apart(weak.image, small[0]) > 50, "the test would show nothing"
    (alone,), decoded = restore(looking, small, 1), len(decoder.decoded)
    together = restore(looking, small, 2, 1, 2)
    assert torch.equal(alone.image, second.image)
    assert torch.equal(together[1].image, second.image)
    assert torch.equal(together[0].image, other.image)
    assert len(decoder.decoded) - decoded == 4, "three photos, of them one again"
    told = [(each.report.weak_tiles, each.report.weak_checks, each.report.second_try_kept) for each in together]
    assert told == [(0, (), None), (1, ("detail",), True), (0, (), None)]
    assert (weak.report.weak_tiles, weak.report.weak_checks, weak.report.second_try_kept) == (None, None, None)
    (passed,) = restore(MultiPassRestorer([looking]), small, 1)
    assert (passed.report.weak_tiles, passed.report.second_try_kept) == (1, True)
    assert not torch.equal(first.image, second.image)


@pytest.mark.parametrize("second_bad", [[0, 2], [0, 1, 2, 3]])
def test_a_second_result_that_is_no_better_is_not_kept(restorers, small, second_bad):
    looking, plain, decoder = restorers
    first, _ = restore(plain, small, 1, derived_seed(1, "second try"))
    decoder.bad = dict(zip(decoder.decoded, ([2], second_bad), strict=True))
    (result,) = restore(looking, small, 1)
    assert torch.equal(result.image, restore(plain, small, 1)[0].image)
    assert (result.report.weak_tiles, result.report.second_try_kept) == (1, False)
    assert not torch.equal(result.image, first.image)


def test_a_second_try_that_fails_costs_nothing(restorers, small):
    looking, plain, decoder = restorers
    restore(plain, small, 1, derived_seed(1, "second try"))
    first, second = decoder.decoded
    decoder.bad = {first: [2]}
    decoder.times = {second: float("nan")}
    (result,) = restore(looking, small, 1)
    assert (result.report.weak_tiles, result.report.second_try_kept) == (1, False)
