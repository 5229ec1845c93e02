import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from pasd_batch.metrics.color_difference import mean_color_difference


def test_the_mean_is_that_of_all_rows():
    random = np.random.default_rng(0)
    first, second = random.random((2, 300, 40, 3))
    expected = deltaE_ciede2000(rgb2lab(first), rgb2lab(second)).mean()
    assert mean_color_difference(first, second) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 100.0),  # L* of 0 and 100
        ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), 86.615),
    ],
)
def test_known_colors(first, second, expected):
    shape = (9, 7, 3)
    difference = mean_color_difference(np.broadcast_to(first, shape), np.broadcast_to(second, shape))
    assert difference == pytest.approx(expected, abs=0.02)


def test_a_large_photos_sample_is_its_mean():
    random = np.random.default_rng(2)
    first = random.random((1100, 900, 3))
    second = np.clip(first + random.normal(0, 0.05, first.shape), 0, 1)
    everything = deltaE_ciede2000(rgb2lab(first), rgb2lab(second)).mean()
    assert mean_color_difference(first, second) == pytest.approx(everything, rel=0.01)


def test_equal_photos_do_not_differ():
    photo = np.random.default_rng(1).random((7, 5, 3), dtype=np.float32)
    assert mean_color_difference(photo, photo) == 0.0
