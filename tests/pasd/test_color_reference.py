"""Palettes of colour references: what a result takes of them, and what is left where there is little to take."""

import numpy as np
import pytest
import torch

from pasd_batch.config.old_photo import OldPhotoSettings
from pasd_batch.config.sampling import ColorFix
from pasd_batch.degradation.draws import Draws, GeneratorNoise
from pasd_batch.degradation.fading import fade, sample_fading
from pasd_batch.metrics.color_difference import mean_color_difference
from pasd_batch.pasd.cielab import to_lab
from pasd_batch.pasd.color_reference import LARGEST_GAIN, Palette, with_palette
from pasd_batch.pasd.passes import MultiPassRestorer


@pytest.fixture
def photo(photograph):
    return 0.3 + 0.4 * photograph[None, :, 100:228, 150:310]


@pytest.fixture
def reference(photograph):
    return 0.3 + 0.4 * photograph[None, :, 300:400, 20:190].flip(1)


def assert_same(found: Palette, expected: Palette, tolerance: float) -> None:
    np.testing.assert_allclose(found.mean, expected.mean, atol=tolerance)
    np.testing.assert_allclose(found.covariance, expected.covariance, atol=tolerance)


def test_the_result_has_mean_and_covariance_of_the_reference(photo, reference):
    palette = Palette.of(reference)
    assert_same(Palette.of(with_palette(photo, palette)), palette, tolerance=0.05)
    assert abs(palette.mean[1] - Palette.of(photo).mean[1]) > 1


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (128, 160)])
def test_a_photo_by_its_own_palette_stays_as_it_is(photo, size):
    own = photo[..., : size[0], : size[1]]
    torch.testing.assert_close(with_palette(own, Palette.of(own)), own, atol=1e-5, rtol=0)


def test_a_grey_reference_gives_a_grey_result_of_its_brightness(photo, reference):
    gray = reference.mean(1, keepdim=True).expand_as(reference)
    result = with_palette(photo, Palette.of(gray))
    assert float(to_lab(result)[:, 1:].abs().max()) < 0.5
    assert_same(Palette.of(result), Palette.of(gray), tolerance=0.5)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2)])
def test_tiny_photos_and_references_give_pictures(photo, reference, size):
    small, of_small = photo[..., : size[0], : size[1]], Palette.of(reference[..., : size[0], : size[1]])
    for result in (with_palette(small, Palette.of(reference)), with_palette(photo, of_small)):
        assert bool(torch.isfinite(result).all())


def test_what_has_hardly_any_colour_left_is_not_blown_up(photo, reference):
    gray = photo.mean(1, keepdim=True) + 0.002 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    before, after = to_lab(gray), to_lab(with_palette(gray, Palette.of(reference)))
    assert float(after[:, 1].std() / before[:, 1].std()) < 2 * LARGEST_GAIN  # some of it comes from the brightness


def test_a_large_picture_is_worked_on_in_strips_and_measured_on_a_grid(photo, reference):
    large = torch.nn.functional.interpolate(photo, size=(1300, 1400), mode="bicubic").clamp(0, 1)
    palette = Palette.of(reference)
    result = with_palette(large, palette)
    assert result.shape == large.shape
    assert_same(Palette.of(result), palette, tolerance=0.05)


def test_what_cannot_be_seen_of_a_reference_does_not_count(reference):
    cut = torch.cat([reference, torch.ones_like(reference)], dim=3)
    opacity = torch.cat([torch.ones(reference.shape[2:]), torch.zeros(reference.shape[2:])], dim=1)
    assert_same(Palette.of(cut, opacity), Palette.of(reference), tolerance=1e-6)
    assert_same(Palette.of(cut, torch.zeros_like(opacity)), Palette.of(cut), tolerance=0)


@pytest.mark.parametrize("seed", range(3))
def test_a_faded_print_is_nearer_to_its_true_colours_by_the_palette_of_a_like_photo(photograph, seed):
    true, like = photograph[None, :, :400], photograph[None, :, 60:460]
    generator = torch.Generator().manual_seed(seed)
    tone = OldPhotoSettings.parse({"tone": {"monochrome_probability": 0.0}}).tone
    faded = fade(true, [sample_fading(tone, Draws(generator))], GeneratorNoise(generator, device=torch.device("cpu")))
    mended = with_palette(faded, Palette.of(like)).clamp(0, 1)
    seen = [each[0].permute(1, 2, 0).numpy() for each in (true, faded, mended)]
    before, after = (mean_color_difference(each, seen[0]) for each in seen[1:])
    assert after < 0.8 * before


def test_a_restored_photo_has_the_palette_of_its_reference_and_its_neighbours_have_not(make_restorer, photo, reference):
    restorer = make_restorer(color_fix=ColorFix.REFERENCE, kept_frequencies=0.1)
    image, palette = photo[0, :, :64, :80], Palette.of(reference)
    given, alone = {"prompts": [""], "seeds": [1]}, make_restorer(color_fix=ColorFix.WAVELET, kept_frequencies=0.1)
    with_one, without = restorer.restore([image, image], prompts=["", ""], seeds=[1, 1], palettes=[palette, None])
    assert_same(Palette.of(with_one.image[None]), palette, tolerance=3.0)  # some colours are not in sRGB
    assert torch.equal(without.image, alone.restore([image], **given)[0].image)
    by_passes = MultiPassRestorer([restorer]).restore([image], **given, palettes=[palette])
    assert torch.equal(by_passes[0].image, with_one.image)
