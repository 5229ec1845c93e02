"""Colour correction. Its numbers are tested in tests/conformance; here, what it is for."""

import pytest
import torch

from pasd_batch.config.sampling import ColorFix
from pasd_batch.pasd.color_fix import adain_color_fix, fix_color, wavelet_color_fix, wavelet_split


@pytest.fixture
def source(photograph):
    return photograph[None, :, 100:228, 150:310]


def test_none_changes_nothing(source):
    restored = source * 0.5
    assert fix_color(restored, source, ColorFix.NONE) is restored


@pytest.mark.parametrize("kind", [ColorFix.WAVELET, ColorFix.ADAIN])
def test_a_colour_cast_is_taken_back(source, kind):
    cast = source + torch.tensor([0.2, -0.1, 0.05]).reshape(1, 3, 1, 1)
    torch.testing.assert_close(fix_color(cast, source, kind), source, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", [ColorFix.WAVELET, ColorFix.ADAIN])
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2)])
def test_pictures_smaller_than_the_blur(kind, size):
    source, restored = torch.rand(2, 1, 3, *size, generator=torch.Generator().manual_seed(0))
    fixed = fix_color(restored, source, kind)
    assert fixed.shape == source.shape
    assert bool(torch.isfinite(fixed).all())


def test_wavelet_keeps_the_detail(source):
    detail = 0.1 * torch.randn(source.shape, generator=torch.Generator().manual_seed(0))
    fixed = wavelet_color_fix(source + detail + 0.3, source)
    sharp, _ = wavelet_split(source + detail)
    torch.testing.assert_close(wavelet_split(fixed)[0], sharp, atol=0.02, rtol=0)


def test_wavelet_parts_add_up(source):
    detail, low = wavelet_split(source)
    torch.testing.assert_close(detail + low, source)


def test_adain_gives_mean_and_spread_of_the_source(source):
    restored = torch.rand(source.shape, generator=torch.Generator().manual_seed(0))
    fixed = adain_color_fix(restored, source)
    torch.testing.assert_close(fixed.mean((2, 3)), source.mean((2, 3)), atol=1e-4, rtol=0)
    torch.testing.assert_close(fixed.std((2, 3)), source.std((2, 3)), atol=1e-3, rtol=0)
