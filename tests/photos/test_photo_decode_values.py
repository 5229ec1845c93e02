"""Numbers and colours: bit depths, grey, CMYK, Lab, profiles."""

import io
import subprocess
import sys
import zlib

import numpy as np
import pytest
from icc_profiles import (
    ADOBE_RGB,
    SRGB,
    cmyk_profile,
    gamma_curve,
    grey_profile,
    matrix_profile,
    rgb_lookup_profile,
    srgb_curve,
)
from photo_files import avif, deep_picture, picture, png16, saved, tiff
from PIL import Image

from pasd_batch.photos.decode_pillow import raster_from_avif
from pasd_batch.photos.photo_io import (
    CorruptPhoto,
    UnsupportedPhoto,
    decode_photo,
)

ADOBE = matrix_profile(ADOBE_RGB, gamma_curve(2.2))


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_grey_and_palettes_of_grey_are_grey(mode):
    grey = Image.fromarray(picture(channels=1)[..., 0])
    photo = decode_photo(saved(grey.convert(mode), "PNG"))
    assert photo.grayscale
    assert photo.pixels.shape == (24, 40, 3)
    if mode != "1":
        assert np.abs(photo.pixels[..., 0] * 255 - picture(channels=1)[..., 0]).max() < 1e-3
    else:
        assert set(np.unique(photo.pixels)) == {0.0, 1.0}


def test_one_bit_tiff_and_inverted_grey_are_the_right_way_round():
    black = np.zeros((8, 8), np.uint8)
    black[:4] = 255
    fax = saved(Image.fromarray(black).convert("1"), "TIFF", compression="group4")
    inverted = tiff(255 - black, photometric="miniswhite")
    deep = tiff((255 - black).astype(np.uint16) * 257, photometric="miniswhite")
    for data in (fax, inverted, deep):
        np.testing.assert_array_equal(decode_photo(data).pixels[..., 0] * 255, black)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_deep_png_keeps_every_bit(channels):
    samples = deep_picture(channels)
    photo = decode_photo(png16(samples))
    colors = 3 if channels >= 3 else 1
    assert photo.bit_depth == 16
    assert photo.grayscale == (colors == 1)
    found = np.rint(photo.pixels[..., :colors] * 65535)
    if channels in (2, 4):
        visible = samples[..., colors] >= 8 * 257  # below, colours are those of what is visible beside them
        np.testing.assert_array_equal(found[visible], samples[visible][..., :colors])
        np.testing.assert_array_equal(np.rint(photo.alpha * 65535), samples[..., colors])
    else:
        np.testing.assert_array_equal(found, samples)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_avif_keeps_every_bit(channels, bits):
    # Greys, which the way to YUV and back leaves as they are.
    largest = 2**bits - 1
    samples = np.linspace(0, largest, 40).round().astype(np.uint8 if bits == 8 else np.uint16)
    stored = np.broadcast_to(samples[np.newaxis, :, np.newaxis], (24, 40, channels)).squeeze()
    data = avif(np.ascontiguousarray(stored), bitspersample=bits)
    photo = decode_photo(data)
    assert photo.bit_depth == (8 if bits == 8 else 16)
    assert (photo.alpha is not None) == (channels == 4)
    visible = (samples >= largest * 8 / 255) | (channels < 4)  # what is not has the colours of what is
    np.testing.assert_allclose(photo.pixels[3, visible, 1], samples[visible] / largest, atol=1e-6)


def test_an_animated_deep_avif_is_read_by_pillow():
    """In a process of its own: imagecodecs would write beyond its memory."""
    script = (
        "import imagecodecs, numpy as np\n"
        "from pasd_batch.photos.photo_io import decode_photo\n"
        "samples = np.stack([np.full((48, 64, 3), 300 * n + 100, np.uint16) for n in range(3)])\n"
        "photo = decode_photo(imagecodecs.avif_encode(samples, level=100, bitspersample=10, pixelformat='444'))\n"
        "print(photo.bit_depth, photo.pixels.shape, round(float(photo.pixels.mean()) * 1023), *photo.warnings)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    depth, height, width, channels, level, warning = done.stdout.split(maxsplit=5)
    assert (depth, height + width + channels) == ("8", "(48,64,3)")
    assert abs(int(level) - 100) <= 3
    assert "keeps 8 of its 10 bits" in warning


def test_deep_avif_comes_as_stored_so_that_it_is_turned_upright_only_once():
    exif = Image.Exif()
    exif[274] = 6
    data = saved(Image.fromarray(picture()), "AVIF", exif=exif, quality=100, subsampling="4:4:4")
    assert decode_photo(data).pixels.shape == (40, 24, 3)
    assert raster_from_avif(data, 8).color.shape == (24, 40, 3)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "lzw", "predictor": True},
        {"compression": "zlib"},
        {"planarconfig": "separate", "compression": "packbits"},
        {"tile": (16, 16)},
        {"bigtiff": True},
        {"byteorder": ">"},
    ],
)
def test_deep_tiff_keeps_every_bit(options):
    samples = deep_picture()
    stored = samples.transpose(2, 0, 1) if "planarconfig" in options else samples
    photo = decode_photo(tiff(np.ascontiguousarray(stored), photometric="rgb", **options))
    assert photo.bit_depth == 16
    np.testing.assert_array_equal(np.rint(photo.pixels * 65535), samples)


def test_deep_tiff_transparency_is_taken_as_declared():
    samples = deep_picture(4)
    apart = decode_photo(tiff(samples, photometric="rgb", extrasamples=["unassalpha"]))
    np.testing.assert_array_equal(np.rint(apart.alpha * 65535), samples[..., 3])
    np.testing.assert_array_equal(np.rint(apart.pixels * 65535), samples[..., :3])

    share = np.full((24, 40, 1), 0.5)
    multiplied = np.concatenate([samples[..., :3] * share, share * 65535], axis=2).astype(np.uint16)
    together = decode_photo(tiff(multiplied, photometric="rgb", extrasamples=["assocalpha"]))
    np.testing.assert_allclose(together.pixels * 65535, samples[..., :3], atol=3)
    assert decode_photo(tiff(samples, photometric="rgb", extrasamples=["unspecified"])).alpha is None


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([[0, 65535]], np.uint16), [0, 1]),
        (np.array([[0, 2**32 - 1]], np.uint32), [0, 1]),
        (np.array([[-5, 32767]], np.int16), [0, 1]),
        (np.array([[0.25, 1.0]], np.float32), [0.25, 1]),
        (np.array([[0.25, 1.0]], np.float16), [0.25, 1]),
        (np.array([[51.0, 255.0]], np.float64), [0.2, 1]),
        (np.array([[13107.0, 65535.0]], np.float32), [0.2, 1]),
    ],
)
def test_grey_of_any_number_type_is_scaled(samples, expected):
    photo = decode_photo(tiff(samples, photometric="minisblack"))
    assert photo.grayscale
    assert photo.bit_depth == 16
    np.testing.assert_allclose(photo.pixels[0, :, 0], expected, atol=1e-6)


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_pillows_own_deep_grey_is_read(mode):
    grey = deep_picture(1)[..., 0]
    samples = {"I;16": grey, "I": grey.astype(np.int32) << 15, "F": (grey / 65535).astype(np.float32)}[mode]
    photo = decode_photo(saved(Image.fromarray(samples), "TIFF"))
    np.testing.assert_allclose(photo.pixels[..., 1], grey / 65535, atol=2e-5)


def test_color_in_floats_is_read():
    photo = decode_photo(tiff(picture().astype(np.float32) / 255, photometric="rgb"))
    np.testing.assert_allclose(photo.pixels * 255, picture(), atol=1e-3)
    for value, error in ((np.nan, CorruptPhoto), (np.inf, CorruptPhoto), (1e6, UnsupportedPhoto)):
        samples = np.full((4, 4), 0.5, np.float32)
        samples[1, 1] = value
        with pytest.raises(error):
            decode_photo(tiff(samples))


def test_cmyk_is_converted():
    image = Image.fromarray(picture()).convert("CMYK")
    plain = decode_photo(saved(image, "JPEG", quality=100, subsampling=0))
    assert np.abs(plain.pixels * 255 - picture()).max() <= 8
    profiled = decode_photo(saved(image, "TIFF", icc_profile=cmyk_profile()))
    assert np.abs(profiled.pixels - plain.pixels).max() > 0.1
    assert profiled.metadata.icc is None
    assert ["cut off at its edge" in warning for warning in profiled.warnings] == [True]
    (warning,) = decode_photo(saved(image, "TIFF", icc_profile=ADOBE)).warnings
    assert "RGB on a CMYK photo" in warning


def test_lab_is_converted():
    lab = np.zeros((4, 4, 3), np.uint8)
    lab[..., 0] = 255
    file = io.BytesIO()
    Image.frombytes("LAB", (4, 4), lab.tobytes()).save(file, "TIFF")
    assert decode_photo(file.getvalue()).pixels.min() > 0.98


def test_profiles_are_applied_and_remembered():
    samples = picture()
    plain = decode_photo(saved(Image.fromarray(samples), "PNG"))
    wide = decode_photo(saved(Image.fromarray(samples), "PNG", icc_profile=ADOBE))
    same = decode_photo(saved(Image.fromarray(samples), "PNG", icc_profile=matrix_profile(SRGB, srgb_curve())))
    assert np.abs(wide.pixels - plain.pixels).max() > 0.05
    assert wide.metadata.icc == ADOBE
    np.testing.assert_array_equal(same.pixels, plain.pixels)

    grey = Image.fromarray(picture(channels=1)[..., 0])
    dark = decode_photo(saved(grey, "PNG", icc_profile=grey_profile(gamma_curve(1.0))))
    assert dark.grayscale
    assert dark.pixels.mean() > decode_photo(saved(grey, "PNG")).pixels.mean() + 0.05


def test_sixteen_bits_survive_profiles_of_both_kinds():
    icc = zlib.compress(ADOBE)
    wide = decode_photo(png16(deep_picture(), (b"iCCP", b"a\0\0" + icc)))
    assert wide.bit_depth == 16
    assert len(np.unique(wide.pixels)) > 1500
    table = zlib.compress(rgb_lookup_profile(both_ways=True))
    deep = decode_photo(png16(deep_picture(), (b"iCCP", b"a\0\0" + table)))
    assert deep.bit_depth == 16
    assert len(np.unique(deep.pixels)) > 500
    assert deep.warnings == ()


def test_a_broken_profile_is_ignored_with_a_warning():
    photo = decode_photo(saved(Image.fromarray(picture()), "PNG", icc_profile=b"rubbish" * 50))
    np.testing.assert_allclose(photo.pixels * 255, picture(), atol=1e-3)
    assert photo.metadata.icc is None
    assert "ICC profile is ignored" in photo.warnings[0]
