import numpy as np
import pytest
from degraded import as_uint8, photographs

from pasd_batch.photos.estimates.color_cast import measure_color_cast

PHOTO = photographs()["astronaut"]


def grey(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2)


def test_grey_has_neither_cast_nor_chroma():
    cast = measure_color_cast(as_uint8(grey(PHOTO)))
    assert (cast.a, cast.b) == pytest.approx((0, 0), abs=0.05)
    assert cast.chroma_99 < 0.05


def test_the_known_colour_of_a_plain_photo_is_read():
    # sRGB's red in CIELAB at D65: a* 80.1, b* 67.2 (IEC 61966-2-1).
    cast = measure_color_cast(np.full((5, 300, 3), (255, 0, 0), np.uint8))
    assert (cast.a, cast.b) == pytest.approx((80.1, 67.2), abs=0.1)
    assert cast.spread < 0.01


def test_a_toned_photo_has_a_cast_of_its_tone():
    sepia = measure_color_cast(as_uint8(grey(PHOTO) * [1.0, 0.85, 0.65]))
    assert sepia.b > 10
    assert sepia.b > sepia.spread > sepia.a > 0


@pytest.mark.parametrize(
    ("factors", "axis", "sign"), [([0.7, 1, 0.7], "a", -1), ([1, 1, 0.6], "b", 1), ([0.8, 0.9, 1], "b", -1)]
)
def test_a_cast_grows_towards_its_colour(factors, axis, sign):
    plain = getattr(measure_color_cast(as_uint8(grey(PHOTO))), axis)
    weak, strong = (
        getattr(measure_color_cast(as_uint8(grey(PHOTO) * np.power(factors, power))), axis) for power in (0.5, 1.0)
    )
    assert 0 < sign * (weak - plain) < sign * (strong - plain)


@pytest.mark.parametrize("size", [(1, 1), (1, 600), (600, 1), (257, 255)])
def test_every_size_is_measured(size):
    cast = measure_color_cast(np.random.default_rng(4).integers(0, 256, (*size, 3)).astype(np.uint8))
    assert np.isfinite([cast.a, cast.b, cast.spread, cast.chroma_99]).all()


def test_size_and_type_of_pixels_make_little_difference():
    small, large = measure_color_cast(PHOTO), measure_color_cast(np.repeat(np.repeat(PHOTO, 4, 0), 4, 1) / 255.0)
    assert (large.a, large.b, large.spread) == pytest.approx((small.a, small.b, small.spread), abs=0.01)


def test_in_a_cast_even_the_least_colourful_parts_have_colour():
    white, black = np.full((40, 40, 3), 255, np.uint8), np.zeros((40, 40, 3), np.uint8)
    assert measure_color_cast(np.concatenate([white, black])).chroma_02 is None
    sepia = as_uint8(grey(PHOTO) * [1.0, 0.85, 0.65])
    assert measure_color_cast(sepia).chroma_02 > 8 > 3 > measure_color_cast(PHOTO).chroma_02
