"""Parts of photos: what a mask leaves as it is, and regions with a fidelity of their own."""

from dataclasses import replace

import pytest
import torch
from plain_recorder import PlainRecorder
from tiny_model import levels_apart, tiny_settings

from pasd_batch.config.regions import RegionSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.sampling import ColorFix
from pasd_batch.config.tiling import TilingSettings
from pasd_batch.pasd import padding
from pasd_batch.pasd.cuda_graphs import NetworkGraphs
from pasd_batch.pasd.differential_diffusion import alphas_and_sigmas
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.passes import MultiPassRestorer
from pasd_batch.pasd.regions import PhotoRegions, feather_mask, resize_mask
from pasd_batch.pasd.restorer import Restorer
from pasd_batch.pasd.schedulers import build_scheduler
from pasd_batch.records import FoundBox

TILES = TilingSettings(tile_size=8, overlap=4, vae_tile_size=16)
SCHEDULER = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@pytest.fixture
def photo(photograph):
    return photograph[:, 100:172, 200:296]


def left_half(photo):
    """A mask of a photo that restores its right half alone."""
    mask = torch.ones(photo.shape[1:])
    mask[:, : photo.shape[2] // 2] = 0.0
    return mask


def restore(restorer, photo, regions=None, *, others=(), seed=1):
    """The first of several photos that are restored together."""
    photos, every = [photo, *(each for each, _ in others)], [regions, *(own for _, own in others)]
    seeds = [seed, *range(5, 5 + len(others))]
    return restorer.restore(photos, prompts=["a woman"] * len(photos), seeds=seeds, regions=every)[0].image


@pytest.mark.parametrize(
    "sampling",
    [
        {"steps": 1, "scale": 1.0},
        {"steps": 3, "scale": 2.0, "color_fix": ColorFix.NONE},
        {"steps": 2, "scale": 1.0, "fidelity": 0.5, "tiling": TILES},
        {"steps": 2, "scale": 2.0, "colorize": True},
        {"steps": 2, "scale": 0.5, "pure_noise_start": True},
        {"steps": 2, "scale": 2.0, "scheduler": "EulerAncestralDiscreteScheduler", "feather": 0},
    ],
    ids=str,
)
def test_what_a_mask_leaves_is_the_photos_own_enlargement_and_the_rest_is_restored(make_restorer, photo, sampling):
    restorer, size = make_restorer(**sampling), Size.of(photo).scaled(sampling["scale"])
    made = restore(restorer, photo, PhotoRegions(photo, left_half(photo)))
    own, middle = padding.resize(photo[None], size)[0], size.width // 2
    assert torch.equal(made[..., :middle], own[..., :middle])
    assert levels_apart(made[..., middle + 20 :], own[..., middle + 20 :]) > 8


def test_grey_is_between_and_black_and_white_are_the_ends(make_restorer, photo):
    """A white mask is none, bit by bit; the darker it is, the nearer the result is to the photo's enlargement."""
    restorer = make_restorer(steps=4, scale=2.0)
    whole, own = restore(restorer, photo), padding.resize(photo[None], Size(144, 192))[0]
    made = [
        restore(restorer, photo, PhotoRegions(photo, torch.full(photo.shape[1:], grey)))
        for grey in (0.0, 0.3, 0.7, 1.0)
    ]
    changes = [float((each - own).abs().mean()) for each in made]
    assert torch.equal(made[-1], whole)
    assert torch.equal(made[0], own)
    assert changes == sorted(changes)
    assert len({*changes}) == 4


def test_parts_of_a_photo_do_not_depend_on_what_else_is_in_the_batch(make_restorer, photo):
    """Nor does a photo without any depend on its neighbours' parts."""
    face = RegionSettings(class_name="face", fidelity=0.8)
    restorer = make_restorer(steps=2, tiling=replace_batch(TILES, 2), regions=(face,))
    masked = PhotoRegions(photo, left_half(photo), (FoundBox("face", 0.9, 50, 10, 80, 60),))
    others = [(photo.flip(2), None), (photo.flip(1), replace(masked, photo=photo.flip(1), boxes=()))]
    assert torch.equal(restore(restorer, photo, masked), restore(restorer, photo, masked, others=others))
    assert torch.equal(restore(restorer, photo), restore(restorer, photo, others=[(photo.flip(2), masked)]))


def replace_batch(tiling, tiles):
    return tiling.model_copy(update={"tile_batch": tiles})


def test_denoising_beside_what_is_left_sees_the_photo_there(make_restorer, photo):
    """The networks get the photo's noised latents at every step, whatever they made of that part themselves."""
    restorer = make_restorer(steps=3, feather=0, tiling=TilingSettings(tile_size=32))
    seen = []
    hook = restorer.models.unet.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][-1].clone()))
    try:
        restore(restorer, photo, PhotoRegions(photo, left_half(photo)))
        kept, seen[:] = list(seen), []
        restore(restorer, photo, PhotoRegions(photo, torch.zeros(photo.shape[1:])))
    finally:
        hook.remove()
    assert len(kept) == len(seen) == 3
    for half, whole in zip(kept, seen, strict=True):
        assert torch.equal(half[..., :6], whole[..., :6])
        assert not torch.equal(half[..., 6:], whole[..., 6:])


def test_recorded_networks_give_the_same_pixels_for_every_mask(models, tiny_model_folder, photo):
    """Masks and regions are inputs of recordings, or beside them: one recorded with a mask serves another."""
    recorder, face = PlainRecorder(), RegionSettings(class_name="face", fidelity=0.8)
    settings = tiny_settings(tiny_model_folder, regions=(face,))
    plain, recording = Restorer(models, settings), Restorer(replace(models, graphs=NetworkGraphs(recorder)), settings)
    boxes = (FoundBox("face", 0.9, 50, 10, 80, 60),)
    for regions in (None, PhotoRegions(photo, left_half(photo), boxes), PhotoRegions(photo, 1.0 - left_half(photo))):
        assert torch.equal(restore(recording, photo, regions), restore(plain, photo, regions))
    assert recorder.launched > recorder.recorded == 3


def test_what_passes_leave_is_the_first_photos_enlargement(models, tiny_model_folder, photo):
    settings = tiny_settings(tiny_model_folder)
    sampling = settings.sampling.model_copy(update={"scale": 1.4})
    one = RestorationSettings(model=settings.model, sampling=sampling)
    passing = MultiPassRestorer([Restorer(models, one), Restorer(models, one)], keep_earlier=True)
    regions = [PhotoRegions(photo, left_half(photo))]
    (made,) = passing.restore([photo], prompts=[""], seeds=[1], regions=regions)
    for image in (made.image, *made.earlier):
        own = padding.resize(photo[None], Size.of(image))[0]
        assert torch.equal(image[..., : image.shape[2] // 2], own[..., : image.shape[2] // 2])


def test_a_region_over_the_whole_photo_is_the_photo_at_that_fidelity(make_restorer, photo):
    """Noise, guidance and kept frequencies are then the dial's everywhere; elsewhere they are the photo's own."""
    face = RegionSettings(class_name="Face", fidelity=0.75)
    restorer = make_restorer(regions=(face,), feather=4)
    whole = PhotoRegions(photo, boxes=(FoundBox("face", 0.9, -5, -5, 500, 500),))
    at_dial = restore(make_restorer(fidelity=0.75), photo)
    assert levels_apart(restore(restorer, photo, whole), at_dial) <= 1
    plain = restore(make_restorer(), photo)
    nothing = restore(restorer, photo, PhotoRegions(photo, boxes=(FoundBox("dog", 0.9, 0, 0, 90, 60),)))
    assert levels_apart(nothing, plain) <= 1
    assert levels_apart(at_dial, plain) > 8


def test_of_regions_that_overlap_the_higher_fidelity_holds(make_restorer, photo):
    box = (0, 0, 96, 72)
    regions = [RegionSettings(class_name=name, fidelity=value) for name, value in (("face", 1.0), ("person", 0.2))]
    boxes = (FoundBox("person", 0.9, *box), FoundBox("face", 0.6, *box))
    made = [
        restore(make_restorer(regions=tuple(regions[::order])), photo, PhotoRegions(photo, boxes=boxes[::order]))
        for order in (1, -1)
    ]
    face_alone = restore(make_restorer(regions=tuple(regions)), photo, PhotoRegions(photo, boxes=boxes[1:]))
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], face_alone)


def test_a_mask_fades_in_beside_its_dark_parts_alone():
    mask = torch.zeros(1, 1, 9, 40)
    mask[..., 10:] = 1.0
    mask[..., 30:] = 0.5
    faded = feather_mask(mask, 4)[0, 0, 4]
    assert faded[:11].tolist() == [0.0] * 11
    assert faded[10:15].tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert faded[25:].tolist() == [1.0, 0.875, 0.75, 0.625, 0.5, *[0.5] * 10][: len(faded[25:])]
    assert torch.equal(feather_mask(mask, 0), mask)


@pytest.mark.parametrize("size", [Size(18, 80), Size(13, 57), Size(5, 22)], ids=str)
def test_scaled_masks_stay_black_where_they_are(size):
    mask = torch.ones(1, 1, 9, 40)
    mask[..., :20] = 0.0
    scaled = resize_mask(mask, size)
    assert scaled[..., : size.width // 2].max() == 0.0
    assert scaled[..., size.width // 2 + 3 :].min() == 1.0


def test_levels_are_those_that_a_scheduler_noises_to():
    levels = alphas_and_sigmas(build_scheduler("DDIMScheduler", SCHEDULER, 3))
    assert len(levels) == 4
    assert levels[-1] == (1.0, 0.0)
    assert all(signal**2 + noise**2 == pytest.approx(1.0) for signal, noise in levels)
    with pytest.raises(ValueError, match="does not say how it noises a photo"):
        alphas_and_sigmas(build_scheduler("DDIMInverseScheduler", SCHEDULER, 3))
