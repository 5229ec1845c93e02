import math

import numpy as np
import pytest
from degraded import photographs

from pasd_batch.photos.estimates.information import entropy


def shannon(samples: np.ndarray) -> float:
    shares = np.unique(samples, return_counts=True)[1] / samples.size
    return float(-(shares * np.log2(shares)).sum())


def test_entropy_of_grey_is_that_of_its_levels():
    grey = photographs()["coffee"][..., 1]
    assert entropy(np.repeat(grey[..., np.newaxis], 3, axis=2)) == pytest.approx(shannon(grey))


def test_entropy_of_colour_tells_channels_apart():
    pixels = photographs()["coffee"]
    assert entropy(pixels) == pytest.approx(shannon(pixels.astype(int) + np.array([0, 1000, 2000])))


@pytest.mark.parametrize("color", [(0, 0, 0), (7, 7, 7)])
def test_a_plain_photo_tells_nothing(color):
    assert entropy(np.full((70, 5, 3), color, np.uint8)) == 0.0


def test_uniform_noise_tells_most():
    every = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    assert entropy(every) == pytest.approx(8.0)
    every[..., 1] = every[::-1, :, 1]
    assert entropy(every) == pytest.approx(math.log2(768))


def test_types_of_pixels_make_no_difference():
    pixels = photographs()["astronaut"]
    for other in (pixels.astype(np.uint16) * 257, (pixels / 255.0).astype(np.float32)):
        assert entropy(other) == entropy(pixels)
