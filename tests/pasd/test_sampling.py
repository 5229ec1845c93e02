"""The sampling loop: schedulers by name, batches of one shape, photos that do not influence each other."""

import pytest
import torch
from sampled_photos import SMALL, maker, photo
from tiny_model import tiny_networks

from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.guidance import Guidance, GuidedDenoiser
from pasd_batch.pasd.sampling import DenoisingPhoto, denoise
from pasd_batch.pasd.schedulers import Scheduler, build_scheduler
from pasd_batch.pasd.untrained import SCHEDULER_CONFIG

SCHEDULERS = [
    "UniPCMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DDIMScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
]
UNIPC = SCHEDULERS[0]


class CountingDenoiser:
    """The real denoiser, and the shapes it was called with."""

    def __init__(self, guidance_scale=1.0):
        self.denoiser = GuidedDenoiser(*tiny_networks(), Guidance(guidance_scale))
        self.shapes = []

    def __call__(self, batch, timestep):
        self.shapes.append(tuple(batch.latents.shape))
        return self.denoiser(batch, timestep)


def sample(photos, denoiser=None, *, name=UNIPC, steps=2, tile_batch=1, on_step=None):
    return denoise(denoiser or CountingDenoiser(), photos, maker(name, steps), tile_batch=tile_batch, on_step=on_step)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_by_name(name):
    scheduler = build_scheduler(name, SCHEDULER_CONFIG, 3)
    assert type(scheduler).__name__ == name
    assert isinstance(scheduler, Scheduler)
    (latents,) = sample([photo(1)], name=name, steps=3)
    assert latents.dtype == torch.float32
    assert bool(torch.isfinite(latents).all())
    (again,) = sample([photo(1)], name=name, steps=3)
    assert torch.equal(latents, again)


def test_a_stochastic_scheduler_draws_from_the_photos_own_generator():
    name = "EulerAncestralDiscreteScheduler"
    (alone,) = sample([photo(1)], name=name)
    torch.manual_seed(99)
    behind_another = sample([photo(2), photo(1)], name=name)[1]
    assert torch.equal(behind_another, alone)
    other = photo(1)
    other.generator.manual_seed(5)
    (drawn_otherwise,) = sample([other], name=name)
    assert not torch.allclose(drawn_otherwise, alone, rtol=1e-2)


@pytest.mark.parametrize(
    "name",
    ["NoSuchScheduler", "UniPC", "AutoencoderKL", "torch", "FlowMatchEulerDiscreteScheduler", "EDMEulerScheduler"],
)
def test_unknown_and_unfit_schedulers_are_named(name):
    with pytest.raises(ValueError, match=f"scheduler '{name}'.*try UniPCMultistepScheduler"):
        build_scheduler(name, SCHEDULER_CONFIG, 2)


def test_on_step_counts_the_tiles_of_a_step_as_its_share():
    calls = []
    tiled = photo(1, Size(8, 20))
    sample([tiled], steps=2, tile_batch=2, on_step=lambda done, of: calls.append((done, of)))
    batches = -(-len(tiled.grid.tiles) // 2)
    assert batches > 1
    assert [done for done, _ in calls] == pytest.approx([number / batches for number in range(1, 2 * batches + 1)])
    assert {of for _, of in calls} == {2}


def test_on_step_counts_the_steps():
    calls = []
    sample([photo(1)], steps=3, on_step=lambda done, of: calls.append((done, of)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_network_calls_are_as_few_as_the_tiles_allow():
    denoiser = CountingDenoiser()
    large = photo(1, Size(8, 20))
    assert len(large.grid.tiles) == 4
    sample([large, photo(2), photo(3), photo(4), photo(5)], denoiser, tile_batch=4)
    assert denoiser.shapes == [(4, 4, 8, 8)] * 2 * 2


def test_part_filled_batches_have_the_full_shape():
    denoiser = CountingDenoiser()
    sample([photo(1)], denoiser, steps=2, tile_batch=4)
    assert denoiser.shapes == [(4, 4, 8, 8)] * 2


def test_batches_that_are_not_filled_have_the_tiles_there_are():
    denoiser = CountingDenoiser()
    denoise(denoiser, [photo(1, Size(8, 20))], maker(steps=1), tile_batch=3, fill_batches=False)
    assert denoiser.shapes == [(3, 4, 8, 8), (1, 4, 8, 8)]


def test_tiles_of_other_sizes_go_in_batches_of_their_own():
    denoiser = CountingDenoiser()
    sample([photo(1), photo(2, Size(5, 6)), photo(3)], denoiser, steps=1, tile_batch=2)
    assert sorted(denoiser.shapes) == [(2, 4, 5, 6), (2, 4, 8, 8)]


def test_batches_may_depend_on_the_size_of_the_tile():
    denoiser = CountingDenoiser()
    sizes = {SMALL: 2, Size(5, 6): 3}
    sample([photo(1), photo(2, Size(5, 6)), photo(3)], denoiser, steps=1, tile_batch=sizes.__getitem__)
    assert sorted(denoiser.shapes) == [(2, 4, 8, 8), (3, 4, 5, 6)]


@pytest.mark.parametrize("tile_batch", [1, 3, 4])
def test_neighbours_do_not_matter(tile_batch):
    """Bit by bit: a photo alone, and among others in any order."""
    makers = [lambda: photo(1), lambda: photo(2, Size(8, 20)), lambda: photo(3, Size(5, 6))]
    alone = [sample([make()], tile_batch=tile_batch)[0] for make in makers]
    together = sample([make() for make in makers], tile_batch=tile_batch)
    backwards = sample([make() for make in reversed(makers)], tile_batch=tile_batch)[::-1]
    for one, two, three in zip(alone, together, backwards, strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one, three)


@pytest.mark.parametrize("name", [*SCHEDULERS, "DDPMScheduler", "LCMScheduler", "TCDScheduler", "PNDMScheduler"])
def test_photos_of_one_size_are_stepped_together_as_if_each_were_alone(name):
    """Bit by bit, also where a scheduler draws noise at every step."""

    def denoiser(batch, timestep):
        return batch.latents.sin() + 1e-3 * timestep

    size = Size(7, 9)
    seeds = (1, 2, 3, 4, 5)
    together = sample([photo(seed, size) for seed in seeds], denoiser, name=name, steps=4)
    for seed, latents in zip(seeds, together, strict=True):
        (alone,) = sample([photo(seed, size)], denoiser, name=name, steps=4)
        assert torch.equal(latents, alone)


def test_a_scheduler_takes_one_step_for_all_photos_of_a_size(monkeypatch):
    stepped = []
    scheduler = type(build_scheduler(UNIPC, SCHEDULER_CONFIG, 1))
    step = scheduler.step
    monkeypatch.setattr(
        scheduler,
        "step",
        lambda self, noise, *rest, **options: stepped.append(len(noise)) or step(self, noise, *rest, **options),
    )
    sample([photo(1), photo(2, Size(5, 6)), photo(3), photo(4)], steps=2)
    assert stepped == [3, 1] * 2


def test_the_batch_shape_hardly_matters():
    (one,) = sample([photo(1, Size(8, 20))], tile_batch=1)
    (four,) = sample([photo(1, Size(8, 20))], tile_batch=4)
    torch.testing.assert_close(one, four, rtol=1e-3, atol=1e-4)


def test_guided_photos():
    (guided,) = sample([photo(1, guided=True)], CountingDenoiser(5.0))
    (plain,) = sample([photo(1)])
    assert not torch.allclose(guided, plain, rtol=1e-2)


@pytest.mark.parametrize("name", [UNIPC, "EulerDiscreteScheduler"])
def test_negative_prompts_are_evaluated_at_the_steps_that_guidance_acts_at(name):
    seen = []

    class Seeing(CountingDenoiser):
        def __call__(self, batch, timestep):
            seen.append((float(timestep), batch.negative_prompts is not None))
            return super().__call__(batch, timestep)

    def steps(is_guided):
        seen.clear()
        (latents,) = denoise(Seeing(5.0), [photo(1, guided=True)], maker(name, 4), tile_batch=1, is_guided=is_guided)
        return latents, [guided for _, guided in seen]

    inside, guided = steps(lambda timestep: 300 < timestep < 800)
    assert guided == [300 < timestep < 800 for timestep, _ in seen]
    assert set(guided) == {True, False}
    always, guided = steps(lambda timestep: True)
    assert guided == [True] * 4
    never, guided = steps(lambda timestep: False)
    assert guided == [False] * 4
    (plain,) = sample([photo(1)], name=name, steps=4)
    assert torch.equal(never, plain)
    assert not torch.allclose(inside, always, rtol=1e-3)


def test_half_precision_networks_leave_latents_in_float32():
    unet, branch = tiny_networks()
    denoiser = GuidedDenoiser(unet.bfloat16(), branch.bfloat16(), Guidance(1.0))
    single = photo(1)
    rounded = DenoisingPhoto(
        single.start, single.grid, single.embeddings.bfloat16(), single.prompt.bfloat16(), None, single.generator
    )
    (latents,) = denoise(denoiser, [rounded], maker(), tile_batch=1, dtype=torch.bfloat16)
    assert latents.dtype == torch.float32
    (expected,) = sample([photo(1)])
    assert float((latents - expected).abs().mean()) < 0.05 * float(expected.abs().mean())
