"""Large photos: integers in place of floats, with the same files, and no further copies of them."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from pasd_batch.config.photos import ImageFormat, OutputSettings
from pasd_batch.photos import output_samples
from pasd_batch.photos.compact import compact, to_float
from pasd_batch.photos.photo import Photo, PhotoMetadata, to_tensor, with_restored_image, with_restored_pixels
from pasd_batch.photos.photo_io import RestorationMarker, encode_photo

MARKER = RestorationMarker("software", "model", "settings")


def photo(pixels, *, bit_depth=8, grayscale=False, alpha=None):
    return Photo(pixels, alpha, bit_depth, grayscale, PhotoMetadata("PNG"))


def levels(height, width, largest, seed=0):
    values = np.random.default_rng(seed).integers(0, largest + 1, (height, width, 3))
    return (values / np.float32(largest)).astype(np.float32)


@pytest.mark.parametrize(("bit_depth", "largest", "dtype"), [(8, 255, np.uint8), (16, 65535, np.uint16)])
@pytest.mark.parametrize("image_format", list(ImageFormat))
def test_integers_make_the_file_that_floats_make(monkeypatch, bit_depth, largest, dtype, image_format):
    """In bands of rows too."""
    given = photo(levels(50, 30, largest), bit_depth=bit_depth)
    small = compact(given)
    assert small.pixels.dtype == dtype
    assert np.array_equal(to_float(small.pixels), given.pixels)
    settings = OutputSettings(format=image_format)
    expected = encode_photo(given, settings=settings, marker=MARKER)
    monkeypatch.setattr(output_samples, "_ROWS_AT_ONCE", 16)
    assert encode_photo(given, settings=settings, marker=MARKER) == expected
    assert encode_photo(small, settings=settings, marker=MARKER) == expected


def test_colors_between_levels_of_8_bits_are_kept_at_16():
    made = compact(photo(np.full((4, 4, 3), 0.30001, np.float32)))
    assert made.pixels.dtype == np.uint16
    assert np.abs(to_float(made.pixels) - 0.30001).max() <= 0.5 / 65535


def test_transparent_and_grey_photos_keep_what_they_are():
    alpha = np.linspace(0, 1, 20, dtype=np.float32)[:, np.newaxis].repeat(20, axis=1)
    given = compact(photo(levels(20, 20, 255), alpha=alpha, grayscale=True))
    restored = with_restored_pixels(given, np.repeat(given.pixels, 2, axis=0))
    assert restored.pixels.dtype == np.uint8
    assert restored.alpha.shape == (40, 20)
    assert (restored.pixels == restored.pixels[..., :1]).all()
    assert restored.composited().dtype == np.float32
    jpeg = OutputSettings(format=ImageFormat.JPEG, background=(0, 90, 200))
    floats = replace(restored, pixels=to_float(restored.pixels))
    assert encode_photo(restored, settings=jpeg, marker=MARKER) == encode_photo(floats, settings=jpeg, marker=MARKER)


@pytest.mark.parametrize("image_format", [ImageFormat.PNG, ImageFormat.TIFF])
def test_a_large_result_is_not_copied_on_its_way_into_a_file(image_format):
    """Beside the pixels there is the file, twice at most; these pixels do not compress."""
    pixels = np.random.default_rng(1).integers(0, 256, (1500, 1000, 3), dtype=np.uint8)
    given = compact(photo(pixels[:750, :500].astype(np.float32) / np.float32(255)))
    settings = OutputSettings(format=image_format, compression=1)
    tracemalloc.start()
    try:
        restored = with_restored_image(given, to_tensor(replace(given, pixels=pixels)))
        assert np.shares_memory(restored.pixels, pixels)
        data = encode_photo(restored, settings=settings, marker=MARKER)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(data) + pixels.nbytes / 2
