"""Every effect of the old-photo chain can be seen, stays bounded, and is off when its amount is zero."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pasd_batch.config.old_photo import (
    BlotchSettings,
    DustSettings,
    GrainSettings,
    HalftoneSettings,
    OldPhotoSettings,
    ScratchSettings,
    ToneSettings,
)
from pasd_batch.degradation.blotches import add_blotches, sample_blotches
from pasd_batch.degradation.draws import Draws, GeneratorNoise
from pasd_batch.degradation.dust import add_dust, sample_dust
from pasd_batch.degradation.fading import FadingParameters, fade, sample_fading
from pasd_batch.degradation.film_grain import add_grain, sample_grain
from pasd_batch.degradation.halftone import print_halftone, sample_halftone
from pasd_batch.degradation.old_photo import apply_old_photo, sample_old_photo
from pasd_batch.degradation.scratches import add_scratches, sample_scratches
from pasd_batch.pasd.colorization import to_gray

Effect = Callable[[Tensor, int, float], Tensor]
UNTOUCHED = FadingParameters(
    monochrome=False,
    sepia=0.0,
    dye_losses=(0.0, 0.0, 0.0),
    casts=(0.0, 0.0, 0.0),
    black=0.0,
    white=1.0,
    exponent=1.0,
    unevenness=0.0,
    vignette=0.0,
    vignette_center=(0.5, 0.5),
)


def draws(seed: int) -> Draws:
    return Draws(torch.Generator().manual_seed(seed))


def noise(seed: int = 0) -> GeneratorNoise:
    return GeneratorNoise(torch.Generator().manual_seed(seed), device=torch.device("cpu"))


def grain(photo: Tensor, seed: int, probability: float) -> Tensor:
    parameters = sample_grain(GrainSettings(probability=probability), draws(seed))
    return add_grain(photo[None], [parameters], noise(seed))[0]


def halftone(photo: Tensor, seed: int, probability: float) -> Tensor:
    parameters = sample_halftone(HalftoneSettings(probability=probability), draws(seed))
    return print_halftone(photo[None], [parameters], monochrome=[bool(seed % 2)])[0]


def blotches(photo: Tensor, seed: int, probability: float) -> Tensor:
    parameters = sample_blotches(BlotchSettings(probability=probability), draws(seed))
    return add_blotches(photo[None], [parameters], noise(seed))[0]


def scratches(photo: Tensor, seed: int, probability: float) -> Tensor:
    parameters = sample_scratches(ScratchSettings(probability=probability), draws(seed))
    return add_scratches(photo[None], [parameters])[0]


def dust(photo: Tensor, seed: int, probability: float) -> Tensor:
    settings = DustSettings(probability=probability, density=(1000.0, 2000.0))
    return add_dust(photo[None], [sample_dust(settings, draws(seed), pixels=photo[0].numel())])[0]


EFFECTS: list[Effect] = [grain, halftone, blotches, scratches, dust]


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.__name__)
def test_effect_is_visible_and_bounded(photo: Tensor, effect: Effect) -> None:
    """More than two 8-bit levels somewhere, on average less than a quarter of the range, never out of it."""
    largest = []
    for seed in range(12):
        result = effect(photo, seed, 1.0)
        change = (result - photo).abs()
        largest.append(float(change.max()))
        assert float(change.mean()) < 0.25
        assert float(result.min()) >= -1e-6
        assert float(result.max()) <= 1.0 + 1e-6
    assert sum(change > 2.0 / 255.0 for change in largest) >= 11


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.__name__)
def test_effect_of_probability_zero_changes_nothing(photo: Tensor, effect: Effect) -> None:
    for seed in range(5):
        assert torch.equal(effect(photo, seed, 0.0), photo)


def test_scratches_and_dust_touch_only_a_small_part_of_the_picture(photo: Tensor) -> None:
    sparse = [scratches, dust]
    for effect in sparse:
        touched = [(effect(photo, seed, 1.0) - photo).abs().amax(dim=0) > 2.0 / 255.0 for seed in range(8)]
        assert 0.0 < float(torch.stack(touched).float().mean()) < 0.3


def test_grain_has_its_standard_deviation_in_the_midtones_and_less_elsewhere() -> None:
    settings = GrainSettings(probability=1.0, amount=(0.05, 0.05))
    parameters = sample_grain(settings, draws(0))
    deviations = []
    for brightness in (0.15, 0.5, 0.85):
        flat = torch.full((3, 128, 128), brightness)
        deviations.append(float((add_grain(flat[None], [parameters], noise())[0] - flat).std()))
    assert deviations[1] == pytest.approx(0.05, rel=0.03)
    assert deviations[0] < 0.85 * deviations[1]
    assert deviations[2] < 0.85 * deviations[1]


def test_blotches_cover_the_share_they_should(photo: Tensor) -> None:
    white = torch.ones(3, 128, 160)
    settings = BlotchSettings(probability=1.0, coverage=(0.2, 0.2), opacity=(0.4, 0.4), bleach_probability=0.0)
    stained = add_blotches(white[None], [sample_blotches(settings, draws(1))], noise(1))[0]
    # Blue is what a brown stain takes most of.
    assert float((stained[2] < 0.85).float().mean()) == pytest.approx(0.2, abs=0.06)
    assert float(stained[2].mean()) < float(stained[0].mean())


def test_halftone_keeps_the_order_of_brightness() -> None:
    parameters = sample_halftone(HalftoneSettings(probability=1.0, amount=(0.7, 0.7)), draws(0))
    grays = [torch.full((3, 120, 120), brightness) for brightness in (0.1, 0.3, 0.5, 0.7, 0.9)]
    means = [float(print_halftone(gray[None], [parameters], monochrome=[True]).mean()) for gray in grays]
    assert means == sorted(means)
    assert means[2] == pytest.approx(0.5, abs=0.03)


def test_untouched_tone_is_the_photo(photo: Tensor) -> None:
    assert torch.allclose(fade(photo[None], [UNTOUCHED], noise())[0], photo.clamp(min=1 / 255), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"black": 0.2}, lambda old, new: new.min() >= 0.19),
        ({"white": 0.8}, lambda old, new: new.max() <= 0.81),
        ({"exponent": 1.4}, lambda old, new: new.mean() < old.mean() - 0.02),
        ({"vignette": 0.4}, lambda old, new: new[:, 0, 0].mean() < 0.7 * old[:, 0, 0].mean()),
        ({"dye_losses": (0.4, 0.0, 0.0)}, lambda old, new: new[0].mean() > old[0].mean() + 0.05),
        ({"casts": (0.0, 0.0, 0.08)}, lambda old, new: new[2].mean() > old[2].mean() + 0.05),
        ({"unevenness": 0.12}, lambda old, new: 0.005 < (new - old).abs().max() < 0.13),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_part_of_the_tone_does_what_it_says(photo: Tensor, change: dict, seen: Callable) -> None:
    assert seen(photo, fade(photo[None], [replace(UNTOUCHED, **change)], noise())[0])


def test_sepia_is_brown_and_monochrome(photo: Tensor) -> None:
    parameters = replace(UNTOUCHED, monochrome=True, sepia=1.0)
    toned = fade(to_gray(photo)[None], [parameters], noise())[0]
    red, green, blue = toned.mean(dim=(1, 2)).tolist()
    assert red > green > blue
    # One colour for one brightness: all channels rise together.
    order = to_gray(photo)[0].flatten().argsort()
    for channel in toned:
        assert bool((channel.flatten()[order].diff() >= -1e-6).all())


def test_sampled_tones_stay_within_their_settings() -> None:
    settings = ToneSettings()
    sampled = [sample_fading(settings, draws(seed)) for seed in range(400)]
    assert sum(each.monochrome for each in sampled) / 400 == pytest.approx(0.6, abs=0.07)
    assert all(abs(cast) <= settings.cast[1] for each in sampled for cast in each.casts)
    assert all(0.0 <= loss <= settings.dye_loss[1] for each in sampled for loss in each.dye_losses)
    assert all(each.black < each.white for each in sampled)


def test_density_of_dust_does_not_depend_on_the_crop() -> None:
    settings = DustSettings(probability=1.0, density=(100.0, 100.0), hair_share=(0.0, 0.0))
    sequence = draws(0)
    counts = [len(sample_dust(settings, sequence, pixels=4096).specks) for _ in range(2000)]
    assert sum(counts) / 2000 == pytest.approx(0.4096, abs=0.05)


class PlaceNoise:
    """Normal draws that depend on the place in the batch and how often was drawn before, and on nothing else."""

    def __init__(self, first: int = 0) -> None:
        self._first = first
        self._drawn = 0

    def normal(self, shape: Sequence[int]) -> Tensor:
        self._drawn += 1
        seeds = [1000 * self._drawn + self._first + place for place in range(shape[0])]
        # A larger field begins with the values of a smaller one.
        planes = [torch.randn(256, 256, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.stack(planes)[:, None, : shape[2], : shape[3]].clone()

    def poisson(self, rates: Tensor) -> Tensor:
        raise AssertionError("old photos have no Poisson noise")


@pytest.mark.parametrize("seed", range(4))
def test_a_photo_does_not_depend_on_its_neighbours(photos: Tensor, seed: int) -> None:
    """With every effect in every photo; float32 summation order may move a coefficient across a rounding tie."""
    certain = {name: {"probability": 1.0} for name in ("grain", "halftone", "blotches", "scratches", "dust")}
    settings = OldPhotoSettings.parse(certain)
    parameters = [sample_old_photo(settings, draws(seed * 10 + index), pixels=640 * 800) for index in range(3)]
    together = apply_old_photo(photos, parameters, PlaceNoise())
    for index in range(3):
        alone = apply_old_photo(photos[index : index + 1], parameters[index : index + 1], PlaceNoise(index))
        differing = ((together[index] - alone[0]).abs() > 1e-5).float().mean()
        assert float(differing) < 0.01


def test_what_only_neighbours_have_changes_nothing(photo: Tensor) -> None:
    """Each effect in the other photo of a batch alone leaves this one as it is."""
    pair = torch.stack([photo, photo])
    for seed in range(3):
        grains = [sample_grain(GrainSettings(probability=float(place)), draws(seed)) for place in (0, 1)]
        screens = [sample_halftone(HalftoneSettings(probability=float(place)), draws(seed)) for place in (0, 1)]
        stains = [sample_blotches(BlotchSettings(probability=float(place)), draws(seed)) for place in (0, 1)]
        lines = [sample_scratches(ScratchSettings(probability=float(place)), draws(seed)) for place in (0, 1)]
        specks = [
            sample_dust(DustSettings(probability=float(place)), draws(seed), pixels=640 * 800) for place in (0, 1)
        ]
        results = [
            add_grain(pair, grains, noise(seed)),
            print_halftone(pair, screens, monochrome=[True, False]),
            add_blotches(pair, stains, noise(seed)),
            add_scratches(pair, lines),
            add_dust(pair, specks),
        ]
        for result in results:
            assert torch.equal(result[0], photo)
            assert not torch.equal(result[1], photo)
