import io

import numpy as np
import pytest
from icc_profiles import (
    ADOBE_RGB,
    DISPLAY_P3,
    SRGB,
    cmyk_profile,
    gamma_curve,
    grey_profile,
    matrix_profile,
    rgb_lookup_profile,
    srgb_curve,
    table_curve,
)
from PIL import Image, ImageCms

from pasd_batch.photos.color_profile import (
    UnusableProfile,
    cmyk_to_rgb,
    from_srgb,
    parse_curve_profile,
    to_srgb,
)
from pasd_batch.photos.color_space import linear_to_srgb, srgb_to_linear

PROFILES = {
    "adobe": matrix_profile(ADOBE_RGB, gamma_curve(2.2)),
    "p3": matrix_profile(DISPLAY_P3, srgb_curve()),
    "table": matrix_profile(SRGB, table_curve(np.linspace(0, 1, 256) ** 1.8)),
    "linear": matrix_profile(SRGB, b"curv" + bytes(8)),
}
LITTLECMS_8_BIT = 1.6 / 255  # LittleCMS rounds its result to 8 bits, and its 8-bit path is optimised a little


@pytest.fixture
def colors() -> np.ndarray:
    return np.random.default_rng(0).random((300, 40, 3), dtype=np.float32)


def test_srgb_has_its_published_values():
    np.testing.assert_allclose(
        srgb_to_linear(np.array([0.0, 0.04045, 0.5, 1.0])), [0, 0.0031308, 0.2140411, 1], atol=1e-6
    )
    values = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-5)


@pytest.mark.parametrize("name", PROFILES)
def test_matrix_profiles_agree_with_littlecms(name, colors):
    icc = PROFILES[name]
    eight_bit = np.rint(colors * 255).astype(np.uint8)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    expected = ImageCms.profileToProfile(Image.fromarray(eight_bit), profile, ImageCms.createProfile("sRGB"))
    found = to_srgb(eight_bit.astype(np.float32) / 255, icc)
    np.testing.assert_allclose(found.pixels, np.asarray(expected) / 255, atol=LITTLECMS_8_BIT)


@pytest.mark.parametrize("name", ["adobe", "p3"])
def test_what_goes_out_of_a_wide_space_comes_back(name, colors):
    there = from_srgb(colors, PROFILES[name])
    assert there is not None
    back = to_srgb(there, PROFILES[name]).pixels
    # A 16-bit step of a bright channel is, through the matrix, up to 20 of a dark one beside it.
    np.testing.assert_allclose(back, colors, atol=20 / 65535)
    assert np.abs(there - colors).max() > 0.02


def test_srgb_itself_changes_nothing(colors):
    for icc in (ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), matrix_profile(SRGB, srgb_curve())):
        assert to_srgb(colors, icc).pixels is colors
        assert from_srgb(colors, icc) is colors


def test_grey_profiles_keep_grey_neutral():
    grey = np.repeat(np.linspace(0, 1, 256, dtype=np.float32)[:, np.newaxis, np.newaxis], 3, axis=2)
    icc = grey_profile(gamma_curve(1.75))
    srgb = to_srgb(grey, icc).pixels
    assert np.ptp(srgb, axis=2).max() < 1e-5
    np.testing.assert_allclose(srgb[..., 0], linear_to_srgb(grey[..., 0] ** 1.75), atol=1e-4)
    back = from_srgb(srgb, icc)
    np.testing.assert_allclose(back, grey, atol=1e-4)


def test_look_up_tables_go_through_littlecms(colors):
    icc = rgb_lookup_profile(both_ways=True)
    assert parse_curve_profile(icc) is None
    seen = to_srgb(colors, icc)
    srgb = seen.pixels
    assert np.abs(srgb - colors).mean() > 0.05
    there = from_srgb(srgb, icc)
    assert there is not None
    assert seen.out_of_gamut is not None
    outside = np.abs(seen.out_of_gamut).max(axis=2) > 0
    np.testing.assert_allclose((there + seen.out_of_gamut)[outside], colors[outside], atol=5e-4)
    assert from_srgb(srgb, rgb_lookup_profile(both_ways=False)) is None


def test_look_up_tables_are_exact_and_perceptual(colors):
    """As LittleCMS computes them without its shortcut, a coarser table that is some levels of 255 off."""
    icc = rgb_lookup_profile(both_ways=True)
    eight_bit = np.rint(colors * 255).astype(np.uint8)
    found = to_srgb(eight_bit.astype(np.float32) / 255, icc).pixels * 255
    exact, colorimetric = (
        ImageCms.profileToProfile(
            Image.fromarray(eight_bit),
            ImageCms.ImageCmsProfile(io.BytesIO(icc)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=intent,
            flags=ImageCms.Flags.NOOPTIMIZE,
        )
        for intent in (ImageCms.Intent.PERCEPTUAL, ImageCms.Intent.RELATIVE_COLORIMETRIC)
    )
    np.testing.assert_allclose(found, np.asarray(exact), atol=0.55)  # half a level, as it rounds, and its own rounding
    assert np.abs(found - np.asarray(colorimetric)).mean() > 10
    assert len(np.unique(np.rint(found / 255 * 65535))) > 1000, "16 bits are kept"


def test_cmyk_goes_by_its_profile():
    ink = np.zeros((2, 2, 4), dtype=np.uint8)
    ink[0, 1] = (0, 255, 255, 0)
    ink[1, 0] = (0, 0, 0, 255)
    image = Image.frombytes("CMYK", (2, 2), ink.tobytes())
    rgb = np.asarray(cmyk_to_rgb(image, cmyk_profile())).astype(int)
    assert (rgb[0, 0] > 250).all()
    assert (rgb[1, 0] < 8).all()
    assert rgb[0, 1, 0] > rgb[0, 1, 1] + 50
    assert abs(rgb - np.asarray(cmyk_to_rgb(image, None)).astype(int)).max() > 20
    with pytest.raises(UnusableProfile, match="RGB on a CMYK photo"):
        cmyk_to_rgb(image, PROFILES["adobe"])


@pytest.mark.parametrize(
    "icc",
    [
        b"",
        b"rubbish" * 100,
        PROFILES["adobe"][:200],
        PROFILES["adobe"][:128] + b"\xff\xff\xff\xff",
        cmyk_profile(),
        matrix_profile(np.ones((3, 3)), gamma_curve(2.2)),
        matrix_profile(SRGB, b"none" + bytes(12)),
        rgb_lookup_profile(both_ways=True)[:400],
    ],
)
def test_damaged_profiles_are_refused(icc, colors):
    with pytest.raises(UnusableProfile):
        to_srgb(colors, icc)
