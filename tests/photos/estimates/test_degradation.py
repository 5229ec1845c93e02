"""Known noise, blur and JPEG quality give known readings, and what is none of them does not."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from degraded import as_uint8, blurred, compressed, enlarged, jpeg_bytes, noisy, photographs
from PIL import Image, ImageDraw, ImageFont
from skimage import data

from pasd_batch.photos.estimates.degradation import estimate_degradation
from pasd_batch.photos.estimates.sample import MOST_PIXELS, PERIOD, sample_photo
from pasd_batch.records import DegradationEstimate

PHOTOS = photographs()
TINY = [(1, 1), (1, 700), (700, 1), (2, 2), (3, 9), (8, 8), (9, 10), (10, 10)]
SMALL = [(16, 16), (17, 2000), (2000, 17), (34, 34), (48, 50), (65, 66)]
LARGE = [(66, 66), (129, 131), (9000, 100), (100, 9000), (1000, 1300)]
NO_BLOCKS = 0.1
"""Levels; clean photos read 0.06 at most in 24 of Kodak's."""


def noise(pixels: np.ndarray) -> float:
    reading = estimate_degradation(pixels).noise_sigma
    assert reading is not None
    return reading


def blur(pixels: np.ndarray) -> float:
    reading = estimate_degradation(pixels).blur_sigma
    assert reading is not None
    return reading


def blocks(pixels: np.ndarray) -> float:
    reading = estimate_degradation(pixels).jpeg_strength
    assert reading is not None
    return reading


@pytest.fixture(params=sorted(PHOTOS))
def photo(request) -> np.ndarray:
    return PHOTOS[request.param]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sigma", [5, 10, 20])
def test_noise_reads_its_deviation_in_grey_and_in_colour(photo, sigma, channels):
    # The photo's own noise of about 1 adds 2 % to 5; a calibration for all contents is good to some 6 %.
    assert noise(noisy(photo, sigma, channels=channels)) == pytest.approx(sigma, rel=0.08)


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0, 3.0])
def test_blur_adds_to_the_blur_a_photo_has(photo, sigma):
    # Gaussians add in squares; edges that are near each other add up to a fifth.
    assert blur(blurred(photo, sigma)) == pytest.approx(math.hypot(blur(photo), sigma), rel=0.25)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
def test_noise_hides_little_of_the_blur(photo, sigma):
    # In noise of 10 levels only the strongest edges count, which are sharper than the others.
    assert blur(noisy(blurred(photo, sigma), 10)) == pytest.approx(blur(blurred(photo, sigma)), rel=0.2)


def test_readings_rise_with_their_cause(photo):
    for reading, degrade, strengths in (
        (noise, noisy, (2, 4, 8, 16, 32)),
        (blur, blurred, (0.7, 1, 1.5, 2, 3, 4)),
        (blocks, compressed, (95, 90, 75, 60, 40, 20, 10)),
    ):
        readings = [reading(degrade(photo, strength)) for strength in strengths]
        assert readings == sorted(set(readings)), reading.__name__


@pytest.mark.parametrize("quality", [75, 40, 15])
def test_blocks_are_found_wherever_their_grid_begins(photo, quality):
    whole = compressed(photo, quality)
    assert blocks(whole) > 0.5
    assert blocks(whole[3:, 5:]) == pytest.approx(blocks(whole), rel=0.1)


@pytest.mark.parametrize("method", [Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.LANCZOS])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_an_enlarged_photo_has_no_blocks(photo, factor, method):
    assert blocks(enlarged(photo, factor, method)) < NO_BLOCKS


def test_an_enlarged_photo_reads_blurred_by_half_its_factor_or_more(photo):
    for factor in (2, 3, 4):
        assert factor / 2.3 < blur(enlarged(photo, factor)) < factor / 1.3


def test_a_clean_photo_reads_clean(photo):
    estimate = estimate_degradation(photo)
    assert estimate.noise_sigma < 1.5
    assert estimate.blur_sigma <= 1.0
    assert estimate.jpeg_strength < NO_BLOCKS


@pytest.mark.parametrize("level", [0, 3, 128, 252, 255])
def test_a_plain_photo_has_no_edges(level):
    estimate = estimate_degradation(np.full((120, 160, 3), level, np.uint8))
    assert estimate == DegradationEstimate(None if level in (0, 255) else 0.0, None, 0.0, None)


def test_bare_noise_has_no_edges_and_no_blocks():
    estimate = estimate_degradation(noisy(np.full((300, 400, 3), 128.0), 12))
    assert estimate.noise_sigma == pytest.approx(12, rel=0.08)
    assert estimate.blur_sigma is None
    assert estimate.jpeg_strength < NO_BLOCKS


def test_a_dark_photo_is_measured_up_to_where_black_cuts_its_noise_off(photo):
    dark = photo * 0.1
    assert noise(noisy(dark, 3)) == pytest.approx(3, rel=0.1)
    assert estimate_degradation(noisy(photo * 0.01, 5)).noise_sigma is None


@pytest.mark.parametrize("period", [3, 4, 5])
def test_the_screen_of_a_print_is_no_noise(photo, period):
    rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]] * (2 * np.pi / period)
    dots = 0.5 + 0.25 * (np.cos(rows + 0.3 * columns) + np.cos(columns - 0.3 * rows))
    printed = 255.0 / (1.0 + np.exp(-9.0 * (photo / 255.0 - dots[..., np.newaxis])))
    assert estimate_degradation(as_uint8(printed)).noise_sigma is None


def test_the_noise_of_a_page_is_that_of_its_paper():
    page = Image.new("RGB", (480, 320), (240, 236, 228))
    words = np.random.default_rng(1).permutation(
        ["the", "a", "of", "restoration", "archive", "photo", "newspaper", "1912", "and", "paper"] * 40
    )
    for line in range(15):
        text = " ".join(words[line * 12 : line * 12 + 12])
        ImageDraw.Draw(page).text((20, 10 + line * 20), text, font=ImageFont.load_default(14), fill=(20, 20, 25))
    assert noise(np.asarray(page)) < 0.5
    assert noise(noisy(np.asarray(page), 6)) == pytest.approx(6, rel=0.1)


def test_texture_reads_as_some_noise_and_as_no_blocks():
    grass = np.repeat(data.grass()[..., np.newaxis], 3, axis=2)
    estimate = estimate_degradation(grass)
    assert 3 < estimate.noise_sigma < 12  # documented: there is no quiet part in it
    assert estimate.jpeg_strength < NO_BLOCKS


@pytest.mark.parametrize(
    "size",
    [*TINY, *SMALL, *LARGE],
)
@pytest.mark.parametrize("kind", ["photo", "noise", "plain"])
def test_every_size_gives_numbers_or_none(size, kind):
    source = np.resize(PHOTOS["coffee"], (*size, 3)) if kind == "photo" else np.full((*size, 3), 128.0)
    estimate = estimate_degradation(noisy(source, 20) if kind == "noise" else as_uint8(source))
    for value in astuple(estimate):
        assert value is None or (isinstance(value, float) and math.isfinite(value) and value >= 0)
    if size in TINY:
        assert astuple(estimate) == (None, None, None, None)
    if size in LARGE:
        assert None not in (estimate.noise_sigma, estimate.jpeg_strength)


@pytest.mark.parametrize("side", [48, 64, 96, 128])
def test_a_small_photo_is_measured_as_a_large_one(side):
    part = noisy(PHOTOS["coffee"], 10)[100 : 100 + side, 200 : 200 + side]
    assert noise(part) == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_types_of_pixels_make_no_difference(photo, dtype):
    degraded = compressed(noisy(photo, 4), 80)
    other = degraded.astype(np.uint16) * 257 if dtype == np.uint16 else (degraded / 255.0).astype(dtype)
    assert astuple(estimate_degradation(other)) == pytest.approx(astuple(estimate_degradation(degraded)), abs=1e-3)


def test_levels_between_those_of_8_bits_count():
    ramp = np.repeat(np.linspace(20, 60, 200)[np.newaxis, :, np.newaxis], 120, axis=0) / 255.0
    faint = ramp + np.random.default_rng(3).standard_normal((120, 200, 3)) * 0.1 / 255.0
    assert noise(faint) == pytest.approx(0.1, rel=0.1)


def test_grey_is_the_same_in_one_channel_and_in_three(photo):
    grey = np.repeat(np.asarray(Image.fromarray(noisy(photo, 8)).convert("L"))[..., np.newaxis], 3, axis=2)
    assert sample_photo(grey).channels.shape[0] == 1
    nearly = grey.copy()
    nearly[0, 0, 0] ^= 1
    assert astuple(estimate_degradation(nearly)) == pytest.approx(astuple(estimate_degradation(grey)), abs=1e-2)


def test_a_jpeg_file_tells_its_quality_itself(photo):
    file = jpeg_bytes(photo, 83)
    assert estimate_degradation(compressed(photo, 83), file=file).jpeg_quality == 83
    assert estimate_degradation(photo, file=b"no JPEG").jpeg_quality is None


def test_hidden_colours_do_not_count(photo):
    degraded = compressed(noisy(photo, 6), 90)
    alpha = np.ones(photo.shape[:2], np.float32)
    alpha[:, 40:90] = 0.0
    other = degraded.copy()
    other[:, 40:90] = np.random.default_rng(5).integers(0, 256, other[:, 40:90].shape)
    assert estimate_degradation(other, alpha=alpha) == estimate_degradation(degraded, alpha=alpha)
    assert estimate_degradation(other, alpha=np.zeros_like(alpha)) == DegradationEstimate(None, None, None, None)


def test_a_plain_frame_does_not_count(photo):
    framed = np.full((photo.shape[0] + 100, photo.shape[1] + 160, 3), (90, 20, 40), np.uint8)
    framed[48:-52, 88:-72] = compressed(noisy(photo, 5), 85)
    assert estimate_degradation(framed) == estimate_degradation(framed[48:-52, 88:-72])


@pytest.mark.parametrize("size", [(1500, 2100), (300, 8000), (8000, 300), (20, 90000)])
def test_of_a_large_photo_windows_in_step_with_the_blocks_are_read(size):
    height, width = size
    position = np.arange(height)[:, np.newaxis] % PERIOD + np.arange(width)[np.newaxis] % PERIOD * PERIOD
    pixels = np.repeat(position[..., np.newaxis], 3, axis=2).astype(np.uint8)
    sample = sample_photo(pixels)
    assert 0.3 * MOST_PIXELS <= sample.luma.size <= MOST_PIXELS
    assert (sample.luma == sample.luma[:1]).all()


def test_windows_tell_what_the_whole_photo_would(photo):
    degraded = compressed(noisy(photo, 5), 80)
    tiled = np.tile(degraded[: photo.shape[0] // 8 * 8, : photo.shape[1] // 8 * 8], (6, 6, 1))
    assert tiled.shape[0] * tiled.shape[1] > 2 * MOST_PIXELS
    of_all, of_one = astuple(estimate_degradation(tiled)), astuple(estimate_degradation(degraded))
    assert of_all[:3] == pytest.approx(of_one[:3], rel=0.3)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"shape \(4, 4\)"),
        (np.zeros((4, 4, 1), np.uint8), "repeat a grey channel"),
        (np.zeros((0, 4, 3), np.uint8), "no photo"),
        (np.zeros((4, 4, 3), np.int32), "int32"),
    ],
)
def test_other_arrays_are_refused(pixels, message):
    with pytest.raises(ValueError, match=message):
        estimate_degradation(pixels)
