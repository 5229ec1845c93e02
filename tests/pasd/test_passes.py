"""Several passes: what comes out is what the restorers give one after another, and a failure says where."""

from dataclasses import replace

import pytest
import torch
from tiny_model import tiny_settings
from tiny_models import REPORT

from pasd_batch.config.restoration import PassSettings, RestorationSettings
from pasd_batch.config.sampling import ColorFix
from pasd_batch.pasd.colorization import to_gray
from pasd_batch.pasd.passes import MultiPassRestorer, pass_seed
from pasd_batch.pasd.restorer import Restoration, Restorer
from pasd_batch.records import PhotoFailure, Stage

SEEDS = [11, 12]
PROMPTS = ["a black and white dog", "a house"]


@pytest.fixture
def photos(photograph):
    """Two photos of two sizes; the second is tiled where tiles are of 8."""
    return [photograph[:, :40, 100:148], photograph[:, 100:164, 200:248]]


@pytest.fixture
def two(make_restorer):
    """A colorization, and a restoration that enlarges."""
    colorize = make_restorer(colorize=True, steps=1, guidance_scale=1.0)
    return [colorize, make_restorer(scale=1.5, steps=2, guidance_scale=1.0, tiling={"tile_size": 8, "overlap": 4})]


def test_passes_give_exactly_what_their_restorers_give_one_after_another_whoever_the_neighbours_are(two, photos):
    results = MultiPassRestorer(two).restore(photos, prompts=PROMPTS, seeds=SEEDS)
    (alone,) = MultiPassRestorer(two).restore(photos[1:], prompts=PROMPTS[1:], seeds=SEEDS[1:])
    assert torch.equal(alone.image, results[1].image), "a neighbour matters"
    first = two[0].restore(photos, prompts=PROMPTS, seeds=SEEDS)
    second = two[1].restore(
        [each.image for each in first],
        prompts=["a color dog", "a house"],  # nobody asks for the grey that the first pass took away
        seeds=[pass_seed(seed, 1) for seed in SEEDS],
    )
    for result, one, other, photo in zip(results, first, second, photos, strict=True):
        assert torch.equal(result.image, other.image)
        assert result.prompt == other.prompt
        assert result.image.shape[1:] == tuple(round(side * 1.5) for side in photo.shape[1:])
        assert result.report.tiles == one.report.tiles + other.report.tiles
        assert (result.report.steps, result.report.negative_prompt) == (2, other.report.negative_prompt)
    assert results[1].report.tiles > 2


def test_colors_of_an_earlier_pass_come_through_to_the_end(two, photos):
    (result,) = MultiPassRestorer(two).restore([to_gray(photos[0])], prompts=[""], seeds=[1])
    assert float((result.image - to_gray(result.image)).abs().max()) > 0.05


def test_passes_have_noise_of_their_own_from_one_seed():
    seeds = [pass_seed(7, number) for number in range(4)]
    assert seeds[0] == 7
    assert len(set(seeds)) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert pass_seed(8, 1) != seeds[1]


def test_a_photo_s_own_settings_are_those_of_the_last_pass(two, photos):
    own = two[1].settings.sampling.model_copy(update={"scale": 0.5, "steps": 3})
    plain = two[1].settings.sampling
    kept, changed = MultiPassRestorer([Halves(two[0]), two[1]]).restore(
        [photos[0], photos[0]], prompts=["", ""], seeds=[1, 1], samplings=[plain, own]
    )
    assert kept.image.shape == (3, 60, 72)
    assert changed.image.shape == (3, 20, 24)
    assert (kept.report.steps, changed.report.steps) == (2, 3)


class Halves(Restorer):
    """A quick restorer: half as bright; it refuses photos of one height."""

    def __init__(self, restorer, refused=None):
        super().__init__(restorer.models, restorer.settings)
        self.refused, self.asked = refused, []

    def restore(self, photos, *, prompts, **options):
        self.asked.append(len(photos))
        return [self.one(*each) for each in zip(photos, prompts, strict=True)]

    def one(self, photo, prompt):
        if photo.shape[1] == self.refused:
            return PhotoFailure(Stage.RESTORE, "UnsoundResult", "the picture is flat")
        return Restoration(photo / 2, prompt, REPORT)


@pytest.mark.parametrize(("failing", "asked"), [(0, [[2], [1]]), (1, [[2], [2]])])
def test_a_failure_names_its_pass_ends_the_photo_there_and_costs_no_other(two, photos, failing, asked):
    height = photos[0].shape[1]
    restorers = [Halves(each, height if number == failing else None) for number, each in enumerate(two)]
    failed, restored = MultiPassRestorer(restorers).restore(photos, prompts=PROMPTS, seeds=SEEDS)
    assert failed == PhotoFailure(Stage.RESTORE, "UnsoundResult", f"pass {failing + 1} of 2: the picture is flat")
    assert torch.equal(restored.image, photos[1] / 4)
    assert [each.asked for each in restorers] == asked


def test_the_report_is_the_last_pass_s_with_the_work_of_all(two, photos):
    class Retried(Halves):
        def one(self, photo, prompt):
            report = replace(REPORT, steps=9, tiles=3, out_of_memory_retries=2, float32_retry=True)
            return Restoration(photo, prompt, report)

    (result,) = MultiPassRestorer([Retried(two[0]), Halves(two[1])]).restore(photos[:1], prompts=[""], seeds=[1])
    assert result.report == replace(REPORT, tiles=3 + REPORT.tiles, out_of_memory_retries=2, float32_retry=True)


def test_results_of_earlier_passes_are_given_where_they_are_asked_for(two, photos):
    restorers = [Halves(two[0]), Halves(two[1]), Halves(two[0])]
    (plain,) = MultiPassRestorer(restorers).restore(photos[:1], prompts=[""], seeds=[1])
    assert plain.earlier == ()
    (kept,) = MultiPassRestorer(restorers, keep_earlier=True).restore(photos[:1], prompts=[""], seeds=[1])
    assert [float(each.max() / photos[0].max()) for each in kept.earlier] == [0.5, 0.25]
    assert torch.equal(kept.image, plain.image)


def test_warnings_name_their_pass(two, photos):
    long = "a dog, " * 30
    (result,) = MultiPassRestorer(two).restore(photos[:1], prompts=[long], seeds=[1])
    assert [each[:23] for each in result.warnings] == ["pass 1 of 2: its prompt", "pass 2 of 2: its prompt"]


def test_no_pass_is_run_for_nothing(two, photos):
    restorers = [Halves(two[0], photos[0].shape[1]), Halves(two[1])]
    (failed,) = MultiPassRestorer(restorers).restore(photos[:1], prompts=[""], seeds=[1])
    assert failed.message.startswith("pass 1 of 2: ")
    assert restorers[1].asked == []
    assert MultiPassRestorer(two).restore([], prompts=[], seeds=[]) == []


def test_an_error_has_a_note_of_its_pass_and_stays_itself(two, photos):
    def stop(done, total):
        if done == 2:
            raise TimeoutError("too slow")

    with pytest.raises(TimeoutError, match="too slow") as told:
        MultiPassRestorer(two).restore(photos[:1], prompts=[""], seeds=[1], on_step=stop)
    assert told.value.__notes__ == ["in pass 2 of 2"]


def test_steps_are_counted_over_all_passes(two, photos):
    told = []
    MultiPassRestorer(two).restore(photos[:1], prompts=[""], seeds=[1], on_step=lambda *step: told.append(step))
    assert [step for step in told if step[0] == int(step[0])] == [(1, 3), (2, 3), (3, 3)]


def test_one_restorer_does_not_take_several_passes_for_one(two):
    passes = tuple(PassSettings(sampling=each.settings.sampling) for each in two)
    with pytest.raises(ValueError, match="several passes"):
        Restorer(two[0].models, RestorationSettings(passes=passes))


def test_passes_of_the_same_model_share_its_networks(tiny_model_folder):
    plain = tiny_settings(tiny_model_folder)
    half = tiny_settings(tiny_model_folder, model={"dtype": "bfloat16"}, color_fix=ColorFix.NONE)
    passes = tuple(PassSettings(model=each.model, sampling=each.sampling) for each in (plain, half, plain))
    restorer = MultiPassRestorer.from_settings(RestorationSettings(passes=passes))
    first, second, third = (each.models for each in restorer.restorers)
    assert first is third
    assert (first.dtype, second.dtype) == (torch.float32, torch.bfloat16)
    assert [each.settings.sampling.color_fix for each in restorer.restorers] == ["wavelet", "none", "wavelet"]
