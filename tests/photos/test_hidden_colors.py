"""Transparency: what it hides never shows, in the model's input, in the result, or in a score."""

import io

import numpy as np
import pytest
from icc_profiles import ADOBE_RGB, gamma_curve, matrix_profile
from photo_files import png16, saved, tiff
from PIL import Image

from pasd_batch.config.photos import ImageFormat, OutputSettings
from pasd_batch.photos.hidden_colors import FULLY_HIDDEN, fill_hidden_colors
from pasd_batch.photos.photo_io import Photo, RestorationMarker, decode_photo, encode_photo, with_restored_pixels

MARKER = RestorationMarker(software="pasd-batch 9.9", model="pasd-tiny", config_fingerprint="c0ffee")
CREAM = (235, 225, 210)
RUBBISH = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
HIDDEN = {"black": np.zeros_like(RUBBISH), "cream": np.full_like(RUBBISH, CREAM), "rubbish": RUBBISH}


def disc() -> np.ndarray:
    """Opacity of a disc with a soft edge, uint8 (48, 64)."""
    rows, columns = np.mgrid[0:48, 0:64]
    distance = np.hypot(rows - 24, columns - 32)
    return np.rint(np.clip((18 - distance) / 4, 0, 1) * 255).astype(np.uint8)


def cut_out(hidden: np.ndarray, *, channels: int = 3) -> np.ndarray:
    """A cream disc that hides something, uint8 (48, 64, channels + 1)."""
    alpha = disc()
    color = np.where(alpha[..., np.newaxis] > 0, np.array(CREAM, np.uint8), hidden)[..., :channels]
    return np.dstack([color, alpha])


def written_in(name: str, samples: np.ndarray) -> bytes:
    match name:
        case "PNG":
            return saved(Image.fromarray(samples), "PNG")
        case "WEBP":
            return saved(Image.fromarray(samples), "WEBP", lossless=True, exact=True)
        case "PNG16":
            return png16(samples.astype(np.uint16) * 257)
        case "TIFF":
            return tiff(samples, photometric="rgb", extrasamples=["unassalpha"])
        case "wide":
            return saved(Image.fromarray(samples), "PNG", icc_profile=matrix_profile(ADOBE_RGB, gamma_curve(2.2)))
        case _:
            return saved(Image.fromarray(samples[..., [0, 3]], "LA"), "PNG")


def as_written(photo: Photo, name: ImageFormat) -> bytes:
    return encode_photo(photo, settings=OutputSettings(format=name, lossless=True), marker=MARKER)


@pytest.mark.parametrize("name", ["PNG", "WEBP", "PNG16", "TIFF", "wide", "grey"])
def test_the_model_sees_nothing_of_what_is_hidden(name):
    photos = [decode_photo(written_in(name, cut_out(hidden))) for hidden in HIDDEN.values()]
    for photo in photos:
        np.testing.assert_array_equal(photo.pixels, photos[0].pixels)
        np.testing.assert_array_equal(photo.alpha, photos[0].alpha)
        assert photo.grayscale == (name == "grey")
        flat = photo.pixels.reshape(-1, 3)
        assert np.ptp(flat, axis=0).max() < 1e-5, "the disc's one colour goes on beyond its edge"


@pytest.mark.parametrize("name", list(ImageFormat))
def test_results_do_not_depend_on_what_is_hidden(name):
    results = set()
    for hidden in HIDDEN.values():
        photo = decode_photo(written_in("PNG", cut_out(hidden)))
        larger = np.repeat(np.repeat(photo.pixels, 2, axis=0), 2, axis=1)
        results.add(as_written(with_restored_pixels(photo, larger), name))
    assert len(results) == 1


def test_what_is_visible_stays_bit_for_bit():
    alpha = disc()
    samples = np.dstack([RUBBISH, alpha])
    photo = decode_photo(written_in("PNG", samples))
    visible = alpha >= 8
    np.testing.assert_array_equal(np.rint(photo.pixels[visible] * 255), RUBBISH[visible])
    again = np.asarray(Image.open(io.BytesIO(as_written(photo, ImageFormat.PNG))))
    np.testing.assert_array_equal(again[visible], samples[visible])
    np.testing.assert_array_equal(again[..., 3], alpha)
    # As seen on any ground, all of it is the same to within what nearly transparent colours may change.
    for ground in (0, 255):
        seen = [(image[..., :3] * (a := image[..., 3:] / 255) + ground * (1 - a)) for image in (samples, again)]
        assert np.abs(seen[0] - seen[1]).max() <= 2.5


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 3), (33, 64)])
def test_photos_without_a_visible_pixel_are_plain_grey(size):
    samples = np.dstack([np.resize(RUBBISH, (*size, 3)), np.zeros(size, np.uint8)])
    photo = decode_photo(saved(Image.fromarray(samples), "PNG"))
    assert photo.grayscale
    np.testing.assert_allclose(photo.pixels, FULLY_HIDDEN, atol=1e-6)
    assert photo.alpha is not None
    assert photo.alpha.max() == 0


@pytest.mark.parametrize("size", [(1, 2), (5, 5), (64, 37)])
def test_fills_come_from_the_nearest_edge(size):
    height, width = size
    left_is_red = np.zeros((height, width, 3), np.float32)
    left_is_red[:, 0, 0] = left_is_red[:, -1, 2] = 1.0
    alpha = np.zeros(size, np.float32)
    alpha[:, 0] = alpha[:, -1] = 1.0
    filled = fill_hidden_colors(left_is_red, alpha)
    np.testing.assert_allclose(filled.sum(axis=2), 1.0, atol=1e-5)
    assert (np.diff(filled[..., 0], axis=1) <= 1e-5).all(), "from the red edge to the blue one"
    opaque = np.ones(size, np.float32)
    assert fill_hidden_colors(left_is_red, opaque) is left_is_red
