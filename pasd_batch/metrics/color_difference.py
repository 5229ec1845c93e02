"""Colour difference between two photos as the eye sees it: CIEDE2000 (Sharma, Wu and Dalal, 2005)."""

import math

import numpy as np

_ROWS_AT_ONCE = 128
_MOST_PIXELS = 250_000


def mean_color_difference(first: np.ndarray, second: np.ndarray) -> float:
    """Mean CIEDE2000 over two photos (height, width, 3), sRGB in [0, 1]; about 1 is just noticeable side by side.

    Large photos are sampled on a regular grid: the mean of so many pixels no longer moves, and each is costly.
    """
    step = grid_step(first)
    first, second = first[::step, ::step], second[::step, ::step]
    return color_differences(first, second) / (first.shape[0] * first.shape[1])


def grid_step(photo: np.ndarray) -> int:
    """Distance of the pixels of a photo that are looked at."""
    return math.ceil(math.sqrt(photo.shape[0] * photo.shape[1] / _MOST_PIXELS))


def color_differences(first: np.ndarray, second: np.ndarray) -> float:
    """Sum of CIEDE2000 over all pixels."""
    from skimage.color import deltaE_ciede2000

    total = 0.0
    for start in range(0, first.shape[0], _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        total += float(deltaE_ciede2000(_lab(first[rows]), _lab(second[rows])).sum())
    return total


def _lab(pixels: np.ndarray) -> np.ndarray:
    from skimage.color import rgb2lab

    return rgb2lab(pixels.astype(np.float64))
