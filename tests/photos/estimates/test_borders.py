import numpy as np
import pytest
from degraded import as_uint8, compressed, noisy, photographs

from pasd_batch.photos.estimates.borders import Borders, find_borders

PHOTO = photographs()["coffee"][40:240, 100:400]


def framed(borders: Borders, color: tuple[int, int, int]) -> np.ndarray:
    height, width = PHOTO.shape[:2]
    shape = (height + borders.top + borders.bottom, width + borders.left + borders.right, 3)
    pixels = np.full(shape, color, np.uint8)
    pixels[borders.top : borders.top + height, borders.left : borders.left + width] = PHOTO
    return pixels


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (60, 200, 120)])
@pytest.mark.parametrize(
    "borders", [Borders(7, 3, 20, 90), Borders(top=40, bottom=40), Borders(left=1), Borders(right=50)]
)
def test_borders_of_any_colour_and_sides_are_measured(borders, color):
    assert find_borders(framed(borders, color)) == borders


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_types_of_pixels_make_no_difference(dtype):
    pixels = framed(Borders(9, 8, 7, 6), (0, 0, 0))
    assert find_borders(pixels.astype(np.uint16) * 257 if dtype == np.uint16 else pixels / 255.0) == Borders(9, 8, 7, 6)


def test_the_bed_of_a_scanner_has_a_little_noise():
    assert find_borders(noisy(framed(Borders(30, 20, 30, 20), (225, 224, 220)), 2)) == Borders(30, 20, 30, 20)


def test_compression_moves_a_border_by_its_ringing_at_most():
    found = find_borders(compressed(framed(Borders(30, 20, 30, 20), (0, 0, 0)), 80))
    for side, true in vars(Borders(30, 20, 30, 20)).items():
        assert true - 8 <= getattr(found, side) <= true, side


def test_bands_within_each_other_add_up():
    inner = framed(Borders(3, 3, 3, 3), (0, 0, 0))
    outer = np.pad(inner, ((10, 10), (12, 12), (0, 0)), constant_values=250)
    assert find_borders(outer) == Borders(15, 13, 15, 13)


def test_a_sky_is_no_border():
    rows = np.linspace(0, 60, 200)[:, np.newaxis, np.newaxis]
    sky = np.broadcast_to(rows + np.array([90.0, 130.0, 190.0]), (200, 300, 3)).copy()
    heights = (40 + 30 * np.sin(np.arange(300) / 40.0)).astype(int)
    for column, height in enumerate(heights):
        sky[200 - height :, column] = 30
    assert find_borders(noisy(as_uint8(sky), 1)) == Borders()


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 2), (90, 120)])
def test_a_plain_photo_has_none(size):
    assert find_borders(np.full((*size, 3), 200, np.uint8)) == Borders()


def test_two_plain_halves_leave_a_photo():
    halves = np.zeros((40, 60, 3), np.uint8)
    halves[20:] = 255
    found = find_borders(halves)
    assert found.top + found.bottom < 40


def test_share_of_the_area():
    assert Borders(left=10, top=5, right=10, bottom=5).share(height=20, width=40) == pytest.approx(0.75)
    assert Borders().share(height=1, width=1) == 0.0
