import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from pasd_batch.metrics.color_difference import ciede2000, mean_color_difference, srgb_to_lab

# From table 1 of Sharma, Wu and Dalal (2005), chosen there to reach every branch of the formula.
PUBLISHED = [
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0000),
    ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0009), 7.1792),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0010), 7.1792),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0011), 7.2195),
    ((50.0, -0.001, 2.49), (50.0, 0.0009, -2.49), 4.8045),
    ((50.0, -0.001, 2.49), (50.0, 0.0010, -2.49), 4.8045),
    ((50.0, -0.001, 2.49), (50.0, 0.0011, -2.49), 4.7461),
    ((50.0, 2.5, 0.0), (50.0, 0.0, -2.5), 4.3065),
    ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ((50.0, 2.5, 0.0), (56.0, -27.0, -3.0), 31.9030),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("first", "second", "expected"), PUBLISHED)
def test_published_pairs(first, second, expected):
    assert ciede2000(np.array(first), np.array(second)) == pytest.approx(expected, abs=5e-5)
    assert ciede2000(np.array(second), np.array(first)) == pytest.approx(expected, abs=5e-5)


def test_it_agrees_with_scikit_image():
    random = np.random.default_rng(0)
    first, second = random.random((2, 300, 40, 3))
    np.testing.assert_allclose(srgb_to_lab(first), rgb2lab(first), atol=0.02)  # its matrix has fewer digits
    expected = deltaE_ciede2000(rgb2lab(first), rgb2lab(second)).mean()
    assert mean_color_difference(first, second) == pytest.approx(expected, abs=0.01)


def test_a_large_photos_sample_is_its_mean():
    random = np.random.default_rng(2)
    first = random.random((1100, 900, 3))
    second = np.clip(first + random.normal(0, 0.05, first.shape), 0, 1)
    everything = ciede2000(srgb_to_lab(first), srgb_to_lab(second)).mean()
    assert mean_color_difference(first, second) == pytest.approx(everything, rel=0.01)


def test_equal_photos_do_not_differ():
    photo = np.random.default_rng(1).random((7, 5, 3), dtype=np.float32)
    assert mean_color_difference(photo, photo) == 0.0
