"""Photos in, restored photos out: sizes, what a result depends on, and what is computed how often."""

import logging

import pytest
import torch
from tiny_model import levels_apart, tiny_settings

from pasd_batch.config.fidelity import FidelityDial
from pasd_batch.config.model import Precision
from pasd_batch.config.sampling import ColorFix
from pasd_batch.config.tiling import TilingSettings
from pasd_batch.pasd.pixel_dtypes import problem_with_pixels
from pasd_batch.pasd.restorer import Restoration, Restorer
from pasd_batch.records import PhotoFailure


@pytest.fixture
def photos(photograph):
    """Three photos of three sizes; the last two are tiled where tiles are of 8."""
    return [photograph[:, :64, 100:164], photograph[:, 100:200, 200:260], photograph[:, 50:114, :192]]


PROMPTS = ["a woman", "", "a space suit"]
SEEDS = [1, 2, 3]
TILES = {"tile_size": 8, "overlap": 4, "vae_tile_size": 16}


def images(results):
    assert all(isinstance(result, Restoration) for result in results), results
    return [result.image for result in results]


def restore(restorer, photos, order=None):
    """Restore photos in an order, and give the results back in the photos' own order."""
    order = list(range(len(photos))) if order is None else order
    results = restorer.restore(
        [photos[i] for i in order], prompts=[PROMPTS[i] for i in order], seeds=[SEEDS[i] for i in order]
    )
    return [results[order.index(i)] for i in sorted(order)]


def restore_one(restorer, photo, *, prompt="", seed=1, **options):
    (result,) = restorer.restore([photo], prompts=[prompt], seeds=[seed], **options)
    return result


@pytest.mark.parametrize(
    "height_width_scale", [[(1, 1, 3.0), (7, 500, 1.0)], [(333, 517, 0.71), (2000, 300, 0.5)]], ids=str
)
def test_every_size_comes_back_scaled(make_restorer, height_width_scale):
    for height, width, scale in height_width_scale:
        photo = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))
        restorer = make_restorer(scale=scale, steps=1, guidance_scale=1.0, tiling=TilingSettings(tile_size=32))
        result = restore_one(restorer, photo)
        assert result.image.shape == (3, max(1, round(height * scale)), max(1, round(width * scale)))
        assert (result.image.dtype, result.image.device.type) == (torch.float32, "cpu")
        assert 0 <= float(result.image.min()) <= float(result.image.max()) <= 1


def test_guidance_may_act_in_a_part_of_the_steps_and_be_rescaled(make_restorer, photos):
    """The whole range of noise levels is what there is without an interval, bit by bit."""
    made = {
        name: restore_one(
            make_restorer(steps=4, guidance_scale=5.0, tiling=TilingSettings(**TILES), **settings), photos[0]
        )
        for name, settings in {
            "plain": {},
            "whole": {"guidance_interval": (0.0, 100.0)},
            "part": {"guidance_interval": (0.5, 5.0)},
            "rescaled": {"guidance_rescale": 0.7},
        }.items()
    }
    assert torch.equal(made["plain"].image, made["whole"].image)
    assert not torch.equal(made["plain"].image, made["part"].image)
    assert not torch.equal(made["plain"].image, made["rescaled"].image)


def test_the_dial_of_fidelity_goes_from_the_models_photo_to_the_inputs(make_restorer, photos):
    """Nearer to the input at each step; without it, and with nothing kept, the pixels are those of before."""
    dial = {"alpha_a": (0.3, 0.3), "guidance_scale": (1.0, 1.0), "kept_frequencies": (0.0, 0.5)}
    settings = {"scale": 2.0, "steps": 2, "guidance_scale": 1.0, "alpha_a": 0.3}

    def restored(**changes):
        return restore_one(make_restorer(**settings, **changes), photos[0])

    enlarged = torch.nn.functional.interpolate(photos[0][None], (128, 128), mode="bicubic", antialias=True)[0]
    plain = restored()
    turned = [restored(fidelity=value, fidelity_dial=FidelityDial(**dial)) for value in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert torch.equal(turned[0].image, plain.image)
    distances = [float((result.image - enlarged).square().mean()) for result in turned]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < distances[0] / 4
    assert [result.report.fidelity for result in (plain, turned[1])] == [None, 0.25]


@pytest.mark.parametrize("tile_batch", [1, 4])
@pytest.mark.parametrize("scheduler", ["UniPCMultistepScheduler", "EulerAncestralDiscreteScheduler"])
def test_neighbours_and_order_do_not_matter(make_restorer, photos, tile_batch, scheduler):
    """Bit by bit, with photos of one tile and of several."""
    restorer = make_restorer(scheduler=scheduler, tiling=TilingSettings(**TILES, tile_batch=tile_batch))
    together = restore(restorer, photos)
    assert together[0].report.tiles == 1
    assert min(result.report.tiles for result in together[1:]) > 1
    state = torch.get_rng_state()
    backwards = restore(restorer, photos, [2, 1, 0])
    assert torch.equal(torch.get_rng_state(), state)
    alone = [restore(restorer, photos, [number])[0] for number in range(3)]
    for one, two, three in zip(images(together), images(backwards), images(alone), strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one, three)


def test_batches_of_another_shape_differ_by_rounding_only(make_restorer, photos):
    """At most one level of 256."""
    single, four = (
        restore(make_restorer(tiling=TilingSettings(**TILES, tile_batch=tile_batch)), photos) for tile_batch in (1, 4)
    )
    for one, two in zip(single, four, strict=True):
        assert levels_apart(one.image, two.image) <= 1


def test_seed_prompt_and_photo_matter(make_restorer, photos):
    restorer = make_restorer(color_fix=ColorFix.NONE)
    first = restore_one(restorer, photos[0], prompt="a dog").image
    assert torch.equal(restore_one(restorer, photos[0], prompt="a dog").image, first)
    others = {
        "seed": restore_one(restorer, photos[0], prompt="a dog", seed=2),
        "prompt": restore_one(restorer, photos[0], prompt="a cat"),
        "photo": restore_one(restorer, photos[0].flip(2), prompt="a dog"),
    }
    # Random networks hardly listen to words, nor to a photo of which the noise leaves less than a hundredth.
    least = {"seed": 0.1, "prompt": 1e-4, "photo": 1e-4}
    for what, other in others.items():
        assert float((other.image - first).abs().max()) > least[what], what


def test_bfloat16_on_the_cpu(tiny_model_folder, make_restorer, photos):
    restorer = Restorer.from_settings(tiny_settings(tiny_model_folder, model={"dtype": Precision.BFLOAT16}))
    half = restore_one(restorer, photos[0])
    exact = restore_one(make_restorer(), photos[0])
    assert not half.report.float32_retry
    assert 0 < float((half.image - exact.image).abs().mean()) < 0.02


def test_compiled_networks(tiny_model_folder, make_restorer, photos):
    """The compiled path is built and taken; compiling itself takes minutes, so the compiler hands back what it got."""
    tiles = TilingSettings(tile_size=16, overlap=4)
    with torch.compiler.set_stance("force_eager"):
        restorer = Restorer.from_settings(tiny_settings(tiny_model_folder, model={"compile": True}, tiling=tiles))
        for network in (restorer.models.unet, restorer.models.control_branch):
            assert any(part._compiled_call_impl is not None for part in network.modules())
        compiled = restore_one(restorer, photos[0])
    assert torch.equal(compiled.image, restore_one(make_restorer(), photos[0]).image)


def test_photos_that_cannot_be_restored_harm_no_others(make_restorer, photos):
    restorer = make_restorer()
    broken = photos[0].clone()
    broken[1, 2, 3] = float("nan")
    unfit = {
        "not finite": broken,
        "shape (3, height, width), got (1, 64": photos[0][:1],
        "got (64, 64)": photos[0][0],
        "got (3, 0, 64)": photos[0][:, :0],
        "got torch.float64": photos[0].double(),
        "got torch.int16": (photos[0] * 255).to(torch.int16),
        "values in [0, 1], got -0.5 to ": photos[0] - photos[0].min() - 0.5,
    }
    given = [photos[0], *unfit.values(), photos[1]]
    results = restorer.restore(given, prompts=[""] * len(given), seeds=[1] * len(given))
    for expected, failure in zip(unfit, results[1:-1], strict=True):
        assert isinstance(failure, PhotoFailure)
        assert failure.error_type == "InvalidPhoto"
        assert expected in failure.message
    assert torch.equal(results[0].image, restore_one(restorer, photos[0]).image)
    assert torch.equal(results[-1].image, restore_one(restorer, photos[1]).image)


def test_an_array_is_told_from_a_tensor(photos):
    assert problem_with_pixels(photos[0]) is None
    assert problem_with_pixels(photos[0].numpy()) == "expected a torch.Tensor, got numpy.ndarray"


def test_nothing_to_restore(make_restorer):
    assert make_restorer().restore([], prompts=[], seeds=[]) == []


@pytest.mark.parametrize(("prompts", "seeds"), [([""] * 2, SEEDS), ([""] * 3, [1, 2]), ("abc", SEEDS)])
def test_one_prompt_and_one_seed_per_photo(make_restorer, photos, prompts, seeds):
    told = f"3 photos, {len(prompts)} prompts and {len(seeds)} seeds; give lists with a prompt and a seed for each"
    with pytest.raises(ValueError, match=told):
        make_restorer().restore(photos, prompts=prompts, seeds=seeds)


def test_what_is_reported(make_restorer, photos):
    restorer = make_restorer(prompt="a photo", added_prompt="sharp", tiling=TilingSettings(**TILES, tile_batch=2))
    described, wordless, _ = restore(restorer, photos)
    # The settings' prompt is for callers to pass where a photo has none: an empty prompt stays empty.
    assert (described.prompt, wordless.prompt) == ("a woman, sharp", "sharp")
    report = wordless.report
    assert (report.tile_batch, report.tile_size, report.out_of_memory_retries) == (2, 8, 0)
    assert not report.float32_retry


def test_steps_are_announced(make_restorer, photos):
    calls = []
    restorer = make_restorer(steps=3)
    restorer.restore(photos, prompts=PROMPTS, seeds=SEEDS, on_step=lambda done, of: calls.append((done, of)))
    assert [call for call in calls if call[0] == int(call[0])] == [(1, 3), (2, 3), (3, 3)]
    assert calls == sorted(calls)


def count_calls(module):
    calls = []
    return calls, module.register_forward_hook(lambda *_: calls.append(1))


def test_what_does_not_depend_on_the_step_is_computed_once(make_restorer, models, photos):
    restorer = make_restorer(steps=4, tiling=TilingSettings(**TILES))
    embedded, first = count_calls(models.control_branch.controlnet_cond_embedding)
    encoded, second = count_calls(models.prompt_encoder.text_encoder)
    with first, second:
        prompts = ["one of its own", "one of its own", "another"]
        results = restorer.restore(photos, prompts=prompts, seeds=SEEDS)
        assert len(embedded) == len(photos) < sum(result.report.tiles for result in results)
        assert len(encoded) <= 2 + 1
        restorer.restore(photos, prompts=prompts, seeds=SEEDS)
        assert len(encoded) <= 2 + 1


def test_without_guidance_the_negative_prompt_is_not_even_encoded(make_restorer, models, photos):
    encoded, handle = count_calls(models.prompt_encoder.text_encoder)
    with handle:
        restore_one(make_restorer(guidance_scale=1.0, negative_prompt="never read"), photos[0], prompt="read once")
    assert len(encoded) == 1


def test_nothing_is_printed(tiny_model_folder, photos, capfd, caplog):
    with caplog.at_level(logging.INFO, logger="pasd_batch"):
        restorer = Restorer.from_settings(tiny_settings(tiny_model_folder))
        restore_one(restorer, photos[0])
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_photos_of_other_settings_are_restored_as_each_by_itself(make_restorer):
    restorer = make_restorer(steps=2, scale=2.0)
    own = restorer.settings.sampling
    samplings = [own, own.model_copy(update={"scale": 3.0}), own.model_copy(update={"alpha_a": 0.9, "steps": 1})]
    photos = [torch.rand(3, 16, 20, generator=torch.Generator().manual_seed(number)) for number in range(3)]
    together = restorer.restore(photos, prompts=[""] * 3, seeds=[1, 2, 3], samplings=samplings)
    for photo, seed, sampling, result in zip(photos, (1, 2, 3), samplings, together, strict=True):
        (alone,) = Restorer(restorer.models, restorer.settings.model_copy(update={"sampling": sampling})).restore(
            [photo], prompts=[""], seeds=[seed]
        )
        assert torch.equal(alone.image, result.image)
        assert alone.report == result.report
    assert [tuple(result.image.shape) for result in together] == [(3, 32, 40), (3, 48, 60), (3, 32, 40)]
    assert [result.report.steps for result in together] == [own.steps, own.steps, 1]
    assert together[2].report.alpha_a == 0.9


def test_noise_level_and_kept_frequencies_are_each_photos_own_in_a_batch(make_restorer, models, photos):
    """Photos that differ in them alone go through the networks together, and each comes out as by itself."""
    own = {"steps": 2, "guidance_scale": 9.0, "tiling": TilingSettings(tile_size=16, overlap=4, tile_batch=4)}
    dial = FidelityDial(guidance_scale=(9.0, 9.0))
    changes = [{"alpha_a": 0.9}, {"added_noise_level": 300, "kept_frequencies": 0.2}, {"fidelity": 0.5}]
    restorers = [make_restorer(**own, fidelity_dial=dial, **change) for change in changes]
    photo, (calls, handle) = photos[0], count_calls(models.unet)
    samplings = [each.settings.sampling for each in restorers]
    with handle:
        together = restorers[0].restore([photo] * 3, prompts=[""] * 3, seeds=[1] * 3, samplings=samplings)
    assert len(calls) == 2
    for restorer, result in zip(restorers, together, strict=True):
        alone = restore_one(restorer, photo)
        assert torch.equal(alone.image, result.image)
        assert alone.report == result.report
    assert [(each.report.fidelity, each.report.kept_frequencies) for each in together] == [
        (None, 0),
        (None, 0.2),
        (0.5, 0.25),
    ]
    assert together[0].report.alpha_a == 0.9
    assert together[2].report.alpha_a == 0.5
