"""Colours are what a viewer shows: whatever states them, in the model's input and in every result."""

import io
import struct

import numpy as np
import pytest
from icc_profiles import ADOBE_RGB, DISPLAY_P3, gamma_curve, matrix_profile, rgb_lookup_profile, srgb_curve
from judges import judge
from photo_files import avif, heif, picture, png16, saved
from PIL import Image, ImageCms

from pasd_batch.config.photos import ImageFormat, OutputSettings
from pasd_batch.photos.color_space import linear_to_srgb
from pasd_batch.photos.photo_io import RestorationMarker, decode_photo, encode_photo, with_restored_pixels
from pasd_batch.photos.stated_colors import BT709, PRIMARIES
from pasd_batch.photos.stated_profile import make_profile
from pasd_batch.photos.transfer_functions import SDR_WHITE, TRANSFERS, light_to_pq, pq_to_light

MARKER = RestorationMarker(software="pasd-batch 9.9", model="pasd-tiny", config_fingerprint="c0ffee")
PROPHOTO = np.array([[0.79767, 0.13519, 0.03134], [0.28804, 0.71187, 0.00009], [0.0, 0.0, 0.82491]])
WIDE = {
    "adobe": matrix_profile(ADOBE_RGB, gamma_curve(2.2)),
    "p3": matrix_profile(DISPLAY_P3, srgb_curve()),
    "prophoto": matrix_profile(PROPHOTO, gamma_curve(1.8)),
    "bt2020": make_profile(PRIMARIES[9]),
    "table": rgb_lookup_profile(both_ways=True),
}
PATCHES = np.repeat(
    np.array([(0, 180, 0), (250, 5, 3), (20, 10, 240), (0, 200, 210), (200, 150, 120), (128, 128, 128)], np.uint8), 8, 0
)[np.newaxis].repeat(8, axis=0)


def written(photo, name=ImageFormat.PNG, **settings) -> bytes:
    settings = {"format": name, "lossless": True, "quality": 100, "subsampling": "4:4:4", **settings}
    return encode_photo(photo, settings=OutputSettings(**settings), marker=MARKER)


def samples(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data))).astype(int)


def as_linear_png(*chunks: tuple[bytes, bytes], linear: np.ndarray) -> bytes:
    return png16(np.rint(linear * 65535).astype(np.uint16), *chunks)


@pytest.mark.parametrize("profile", WIDE)
@pytest.mark.parametrize("name", list(ImageFormat))
def test_colors_beyond_srgb_come_out_as_they_went_in(profile, name):
    photo = decode_photo(saved(Image.fromarray(PATCHES), "PNG", icc_profile=WIDE[profile]))
    assert photo.out_of_gamut is not None
    data = written(with_restored_pixels(photo, photo.pixels), name)
    assert Image.open(io.BytesIO(data)).info["icc_profile"] == WIDE[profile]
    beyond = np.abs(photo.out_of_gamut).max(axis=2) > 0
    tolerance = {"jpeg": 12, "webp": 0}.get(name, 0)  # JPEG's blocks ring at the patches' edges
    assert np.abs(samples(data) - PATCHES)[beyond].max() <= tolerance


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_colors_beyond_srgb_fade_with_what_the_restoration_changes(scale):
    photo = decode_photo(saved(Image.fromarray(PATCHES), "PNG", icc_profile=WIDE["adobe"]))
    larger = np.repeat(np.repeat(photo.pixels, scale, axis=0), scale, axis=1)
    centre = (4 * scale, 4 * scale)
    nearly = with_restored_pixels(photo, np.clip(larger + 0.02, 0, 1))
    assert np.abs(samples(written(nearly))[centre] - PATCHES[4, 4]).max() <= 12
    new = with_restored_pixels(photo, 1.0 - larger)
    assert new.out_of_gamut is not None
    assert np.abs(new.out_of_gamut[centre]).max() == 0
    assert with_restored_pixels(photo, larger, colorized=True).out_of_gamut is None


def test_photos_within_srgb_take_no_more_memory():
    within = np.clip(picture(), 110, 140)
    for icc in (None, *(WIDE[name] for name in ("adobe", "p3"))):
        photo = decode_photo(saved(Image.fromarray(within), "PNG", icc_profile=icc))
        assert photo.out_of_gamut is None


def test_colors_beyond_srgb_are_turned_with_the_photo():
    exif = Image.Exif()
    exif[274] = 6
    photo = decode_photo(saved(Image.fromarray(PATCHES), "PNG", icc_profile=WIDE["adobe"], exif=exif))
    np.testing.assert_array_equal(samples(written(photo)), np.rot90(PATCHES, -1))


@pytest.mark.parametrize("profile", ["adobe", "p3", "prophoto", "bt2020"])
@pytest.mark.parametrize("name", ["png", "tiff", "webp"])
def test_imagemagick_sees_the_same_in_source_and_result(profile, name, tmp_path):
    srgb = tmp_path / "srgb.icc"
    srgb.write_bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    source = tmp_path / "source.png"
    source.write_bytes(saved(Image.fromarray(PATCHES), "PNG", icc_profile=WIDE[profile]))
    photo = decode_photo(source.read_bytes())
    result = tmp_path / f"result.{name}"
    result.write_bytes(written(photo, ImageFormat(name)))
    seen = []
    for file in (source, result):
        judge("convert", str(file), "-profile", str(srgb), "-depth", "8", f"PNG24:{file}.seen.png")
        seen.append(samples((tmp_path / f"{file.name}.seen.png").read_bytes()))
    assert np.abs(seen[0] - seen[1]).max() <= 1
    assert np.abs(np.rint(photo.pixels * 255) - seen[0]).max() <= 2


@pytest.mark.parametrize("code", sorted(PRIMARIES))
def test_made_profiles_mean_their_primaries_to_littlecms(code):
    profile = make_profile(PRIMARIES[code])
    assert profile == make_profile(PRIMARIES[code])
    if code == 10:  # XYZ itself, beyond any display
        return
    eight_bit = np.random.default_rng(0).integers(0, 256, (8, 40, 3), dtype=np.uint8)
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    expected = ImageCms.profileToProfile(Image.fromarray(eight_bit), opened, ImageCms.createProfile("sRGB"))
    photo = decode_photo(saved(Image.fromarray(eight_bit), "PNG", icc_profile=profile))
    assert np.abs(photo.pixels * 255 - np.asarray(expected)).max() <= 1.6


@pytest.mark.parametrize("gamma", [1.0, 1 / 1.8, 1 / 2.6])
@pytest.mark.parametrize("channels", [1, 3])
def test_gamma_of_png_is_applied(gamma, channels):
    light = np.repeat(np.linspace(0, 1, 40)[np.newaxis, :, np.newaxis], channels, axis=2).repeat(4, axis=0)
    chunk = (b"gAMA", struct.pack(">I", round(gamma * 100000)))
    photo = decode_photo(as_linear_png(chunk, linear=light**gamma))
    assert photo.metadata.icc is None
    np.testing.assert_allclose(photo.pixels, np.repeat(linear_to_srgb(light), 4 - channels, axis=2), atol=1e-3)


@pytest.mark.parametrize("chunk", [b"sRGB", b"none"])
def test_gamma_of_srgb_changes_nothing(chunk):
    extra = [] if chunk == b"none" else [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100000))]
    data = as_linear_png(*extra, (b"gAMA", struct.pack(">I", 45455)), linear=picture() / 255)
    np.testing.assert_array_equal(decode_photo(data).pixels, decode_photo(as_linear_png(linear=picture() / 255)).pixels)


def chromaticities(code: int) -> tuple[bytes, bytes]:
    stated = PRIMARIES[code]
    pairs = (stated.white, stated.red, stated.green, stated.blue)
    return b"cHRM", struct.pack(">8I", *(round(value * 100000) for pair in pairs for value in pair))


def test_chromaticities_of_png_are_applied_and_kept():
    data = as_linear_png(chromaticities(12), linear=PATCHES / 255)
    photo = decode_photo(data)
    expected = decode_photo(saved(Image.fromarray(PATCHES), "PNG", icc_profile=WIDE["p3"]))
    np.testing.assert_allclose(photo.pixels, expected.pixels, atol=2e-3)
    assert photo.metadata.icc is not None
    np.testing.assert_array_equal(samples(written(photo, keep_16_bit=False)), PATCHES)
    assert decode_photo(as_linear_png(chromaticities(1), linear=PATCHES / 255)).metadata.icc is None


@pytest.mark.parametrize("chunk", [(b"gAMA", b"\0\0\0\0"), (b"cHRM", b"\0" * 32)])
def test_colour_chunks_that_make_no_sense_cost_nothing_but_a_warning(chunk):
    photo = decode_photo(as_linear_png(chunk, linear=picture() / 255))
    assert any("make no sense" in warning for warning in photo.warnings)
    np.testing.assert_array_equal(photo.pixels, decode_photo(as_linear_png(linear=picture() / 255)).pixels)


def with_codes(kind: str, primaries: int, transfer: int, color: np.ndarray) -> bytes:
    if kind == "PNG":
        return as_linear_png((b"cICP", bytes((primaries, transfer, 0, 1))), linear=color)
    return avif(
        np.rint(color * 1023).astype(np.uint16), bitspersample=10, primaries=primaries, transfer=transfer, matrix=0
    )


@pytest.mark.parametrize("kind", ["PNG", "AVIF"])
@pytest.mark.parametrize("primaries", [1, 9, 12])
@pytest.mark.parametrize("transfer", [1, 4, 8, 13, 16, 18])
def test_codes_are_applied(kind, primaries, transfer):
    grey = np.repeat(np.linspace(0, 0.55, 64)[np.newaxis, :, np.newaxis], 3, axis=2).repeat(16, axis=0)
    photo = decode_photo(with_codes(kind, primaries, transfer, grey))
    light = TRANSFERS[transfer].linear(grey) / (SDR_WHITE if TRANSFERS[transfer].is_hdr else 1)
    assert light.max() <= 1.0, "nothing to compress"
    np.testing.assert_allclose(photo.pixels, linear_to_srgb(light), atol=0.012 if kind == "AVIF" else 2e-3)
    assert any("HDR" in warning for warning in photo.warnings) == (transfer in (16, 18))
    colored = decode_photo(with_codes(kind, primaries, transfer, np.tile(PATCHES / 255, (2, 2, 1)) * 0.6))
    assert (colored.metadata.icc is None) == (PRIMARIES[primaries] == BT709)
    again = decode_photo(written(colored))
    np.testing.assert_allclose(again.pixels, colored.pixels, atol=2e-3)


def test_bright_hdr_is_compressed_from_its_own_peak():
    nits = np.repeat(np.array([0.0, 10, 50, 100, 203, 400, 1000])[np.newaxis, :, np.newaxis], 3, axis=2)
    photo = decode_photo(with_codes("PNG", 9, 16, light_to_pq(nits)))
    seen = photo.pixels[0, :, 0]
    assert (np.diff(seen) > 0.005).all(), "all of it can be told apart"
    assert seen[-1] == pytest.approx(1.0, abs=2e-3)
    np.testing.assert_allclose(seen[:3], linear_to_srgb(nits[0, :3, 0] / SDR_WHITE), atol=5e-3)


def test_transfer_functions_have_their_published_values():
    np.testing.assert_allclose(light_to_pq(np.array([100.0, 203, 1000, 10000])), [0.508, 0.581, 0.752, 1.0], atol=1e-3)
    np.testing.assert_allclose(pq_to_light(light_to_pq(np.array([0.1, 203.0]))), [0.1, 203.0], rtol=1e-6)
    white = np.full((1, 1, 3), 0.75)
    assert TRANSFERS[18].linear(white)[0, 0, 0] == pytest.approx(203, abs=1)  # BT.2408: HLG's reference white
    assert TRANSFERS[1].linear(np.array(0.081)) == pytest.approx(0.018, abs=1e-3)


def test_codes_of_heic_are_applied():
    plain = Image.fromarray(np.full((64, 64, 3), (90, 180, 60), np.uint8))
    photo = decode_photo(heif(plain, color_primaries=12, transfer_characteristics=13, matrix_coefficients=1))
    expected = decode_photo(saved(plain, "PNG", icc_profile=WIDE["p3"]))
    np.testing.assert_allclose(photo.pixels[32, 32], expected.pixels[32, 32], atol=0.02)
    assert photo.metadata.icc is not None


def test_narrow_range_of_png_is_undone():
    levels = np.repeat(np.array([16, 126, 235], np.uint8)[np.newaxis, :, np.newaxis], 3, axis=2)
    data = as_linear_png((b"cICP", bytes((1, 13, 0, 0))), linear=levels / 255 * (255 * 256 / 65535))
    np.testing.assert_allclose(decode_photo(data).pixels[0, :, 0], [0, 110 / 219, 1], atol=1e-3)


def test_unknown_codes_are_taken_as_srgb_with_a_warning():
    photo = decode_photo(with_codes("PNG", 77, 99, picture() / 255))
    assert "no primaries 77 and no transfer function 99" in photo.warnings[0]
    assert decode_photo(with_codes("PNG", 2, 2, picture() / 255)).warnings == ()


def test_a_profile_goes_before_codes():
    icc = saved(Image.new("RGB", (1, 1)), "PNG", icc_profile=WIDE["p3"])
    start = icc.index(b"iCCP")
    chunk = icc[start + 4 : start + 4 + struct.unpack(">I", icc[start - 4 : start])[0]]
    photo = decode_photo(as_linear_png((b"cICP", bytes((9, 16, 0, 1))), (b"iCCP", chunk), linear=PATCHES / 255))
    assert photo.metadata.icc == WIDE["p3"]
    assert photo.warnings == ()
