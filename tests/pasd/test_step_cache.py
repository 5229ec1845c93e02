"""The step cache: the same numbers where features are fresh, and by which schedule they are computed anew."""

import pytest
import torch
from plain_recorder import PlainRecorder
from sampled_photos import maker, photo, rows_seen, tile_batch
from tiny_model import tiny_networks

from pasd_batch.config.tiling import TilingSettings
from pasd_batch.pasd.cuda_graphs import NetworkGraphs
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.guidance import Guidance, GuidedDenoiser
from pasd_batch.pasd.sampling import denoise
from pasd_batch.pasd.step_cache import StepCache


def sampled(interval, photos, *, graphs=None, networks=None, scale=3.0, steps=5, **options):
    denoiser = GuidedDenoiser(*(networks or tiny_networks()), Guidance(scale), graphs)
    cached = StepCache(denoiser, interval) if interval else denoiser
    return denoise(cached, photos, maker(steps=steps), **{"tile_batch": 2, **options})


@pytest.mark.parametrize("form", ["pasd", "pasd_light"])
@pytest.mark.parametrize("guidance", [{"scale": 1.0}, {"scale": 3.0}, {"scale": 3.0, "guess_mode": True}], ids=str)
def test_outermost_layers_on_fresh_deep_features_are_the_whole_networks(form, guidance):
    denoiser = GuidedDenoiser(*tiny_networks(form), Guidance(conditioning_scale=0.7, **guidance))
    tiles = tile_batch(guided=guidance["scale"] > 1.0)
    with torch.no_grad():
        whole = denoiser(tiles, 500)
        parted = denoiser.predict_from(denoiser.deep_features(tiles, 500), tiles, 500)
    assert torch.equal(whole, parted)


def test_deep_features_that_serve_one_step_change_nothing():
    (plain,) = sampled(None, [photo(1, Size(8, 20), guided=True)])
    (cached,) = sampled(1, [photo(1, Size(8, 20), guided=True)])
    assert torch.equal(plain, cached)


def test_deep_features_of_every_third_step_and_the_outermost_layers_of_all():
    networks = unet, branch = tiny_networks()
    with rows_seen(unet.mid_block, branch.mid_block, unet.conv_in) as (deep, controls, outermost):
        (cached,) = sampled(3, [photo(1, guided=True)], networks=networks, steps=5, tile_batch=1)
    assert (deep, controls) == ([2, 2], [2, 2])
    assert outermost == [2] * 7
    (plain,) = sampled(None, [photo(1, guided=True)], steps=5, tile_batch=1)
    assert not torch.allclose(cached, plain, rtol=1e-3)
    assert float((cached - plain).abs().mean()) < 0.2 * float(plain.abs().mean())


def test_where_guidance_begins_or_ends_deep_features_are_computed_anew():
    networks = unet, _ = tiny_networks()
    with rows_seen(unet.mid_block) as (deep,):
        sampled(
            4,
            [photo(1, guided=True)],
            networks=networks,
            steps=8,
            tile_batch=1,
            is_guided=lambda timestep: 300 < timestep < 600,
        )
    assert deep == [1, 2, 1]


def test_neighbours_do_not_matter():
    """Bit by bit: a photo alone, and among others."""
    makers = [lambda: photo(1, guided=True), lambda: photo(2, Size(8, 20), guided=True)]
    makers.append(lambda: photo(3, Size(5, 6), guided=True))
    alone = [sampled(2, [make()], steps=3, tile_batch=3)[0] for make in makers]
    among = sampled(2, [make() for make in makers], steps=3, tile_batch=3)
    for one, other in zip(alone, among, strict=True):
        assert torch.equal(one, other)


def test_deep_and_outermost_layers_are_recorded_apart():
    recorder = PlainRecorder()
    graphs = NetworkGraphs(recorder)
    (recorded,) = sampled(2, [photo(1, guided=True)], graphs=graphs, steps=6, tile_batch=1)
    assert (recorder.recorded, graphs.recordings) == (2, 2)
    assert recorder.launched == (3 - 1) + (6 - 1)
    (plain,) = sampled(2, [photo(1, guided=True)], steps=6, tile_batch=1)
    assert torch.equal(recorded, plain)


def test_restoring_keeps_features_for_as_many_steps_as_its_settings_say(make_restorer, photograph):
    def restored(**settings):
        restorer = make_restorer(steps=3, tiling=TilingSettings(tile_size=8, overlap=2), **settings)
        (made,) = restorer.restore([photograph[:, :64, :72]], prompts=[""], seeds=[1])
        return made.image

    plain = restored()
    assert torch.equal(plain, restored(step_cache=1))
    assert not torch.equal(plain, restored(step_cache=2))
    assert torch.equal(restored(step_cache=2), restored(step_cache=2))
