import math

import numpy as np
import pytest
from degraded import as_uint8, photographs

from pasd_batch.photos.estimates.exposure import Exposure, measure_exposure

STEP = 1 / 16384


def cleanvision(pixels: np.ndarray) -> list[float]:
    """The quantiles as CleanVision 0.3 computes them."""
    red, green, blue = (pixels[..., channel].astype(int) for channel in range(3))
    brightness = np.sqrt(0.241 * red * red + 0.691 * green * green + 0.068 * blue * blue) / 255
    return np.percentile(brightness, [1, 5, 95, 99]).tolist()


def quantiles(exposure: Exposure) -> list[float]:
    return [exposure.quantile_01, exposure.quantile_05, exposure.quantile_95, exposure.quantile_99]


@pytest.mark.parametrize("factor", [1.0, 0.2, 0.01])
def test_quantiles_are_those_of_cleanvision(factor):
    for photo in photographs().values():
        pixels = as_uint8(photo * factor)
        assert quantiles(measure_exposure(pixels)) == pytest.approx(cleanvision(pixels), abs=STEP)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (300, 2), (65, 64)])
def test_every_size_is_measured(size):
    pixels = np.random.default_rng(2).integers(0, 256, (*size, 3)).astype(np.uint8)
    assert quantiles(measure_exposure(pixels)) == pytest.approx(cleanvision(pixels), abs=STEP)


def test_types_of_pixels_make_no_difference():
    pixels = photographs()["coffee"]
    for other in (pixels.astype(np.uint16) * 257, (pixels / 255.0).astype(np.float32), pixels / 255.0):
        assert quantiles(measure_exposure(other)) == pytest.approx(quantiles(measure_exposure(pixels)), abs=STEP)


@pytest.mark.parametrize(("level", "value"), [(0, 0.0), (255, 1.0), (51, 0.2)])
def test_a_plain_photo_is_its_brightness_without_contrast(level, value):
    exposure = measure_exposure(np.full((9, 9, 3), level, np.uint8))
    assert quantiles(exposure) == pytest.approx([value] * 4, abs=STEP)
    assert exposure.contrast == 0.0


def test_colours_weigh_as_they_are_seen():
    assert measure_exposure(np.full((4, 4, 3), (0, 255, 0), np.uint8)).quantile_05 == pytest.approx(
        math.sqrt(0.691), abs=STEP
    )


def test_contrast_is_the_range_without_extremes():
    ramp = np.repeat(np.linspace(50, 100, 100)[np.newaxis, :, np.newaxis], 3, axis=2) / 255.0
    ramp[0, 0], ramp[0, -1] = 0.0, 1.0
    assert measure_exposure(ramp).contrast == pytest.approx(50 / 255, abs=0.01)
