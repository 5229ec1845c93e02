"""How far two photos' colours are apart to the eye: CIEDE2000.

Sharma, Wu and Dalal, "The CIEDE2000 Color-Difference Formula: Implementation Notes, Supplementary Test Data, and
Mathematical Observations", Color Research & Application 30 (2005); equation numbers are theirs.
"""

import math

import numpy as np

_XYZ_FROM_RGB = np.array(
    [[0.4123908, 0.3575843, 0.1804808], [0.2126390, 0.7151687, 0.0721923], [0.0193308, 0.1191948, 0.9505322]]
)  # IEC 61966-2-1, D65
_WHITE = _XYZ_FROM_RGB.sum(axis=1)
_ROWS_AT_ONCE = 128
_MOST_PIXELS = 250_000
_25_POWER_7 = 25.0**7


def mean_color_difference(first: np.ndarray, second: np.ndarray) -> float:
    """Mean CIEDE2000 over two photos (height, width, 3), sRGB in [0, 1]; about 1 is just noticeable side by side.

    Large photos are sampled on a regular grid: the mean of so many pixels no longer moves, and each is costly.
    """
    step = math.ceil(math.sqrt(first.shape[0] * first.shape[1] / _MOST_PIXELS))
    first, second = first[::step, ::step], second[::step, ::step]
    total = 0.0
    for start in range(0, first.shape[0], _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        total += float(ciede2000(srgb_to_lab(first[rows]), srgb_to_lab(second[rows])).sum())
    return total / (first.shape[0] * first.shape[1])


def srgb_to_lab(pixels: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] (..., 3) to CIE L*a*b* under D65: L* in [0, 100]."""
    values = np.asarray(pixels, dtype=np.float64)
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    scaled = linear @ (_XYZ_FROM_RGB / _WHITE[:, np.newaxis]).T
    epsilon, kappa = 216 / 24389, 24389 / 27
    root = np.where(scaled > epsilon, np.cbrt(scaled), (kappa * scaled + 16) / 116)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def ciede2000(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """CIEDE2000 of L*a*b* colours (..., 3), with all parametric factors 1."""
    chroma = (np.hypot(first[..., 1], first[..., 2]) + np.hypot(second[..., 1], second[..., 2])) / 2
    stretch = 1.5 - 0.5 * np.sqrt(chroma**7 / (chroma**7 + _25_POWER_7))  # (4), as a factor on a*
    chroma_1, hue_1 = _polar(first, stretch)
    chroma_2, hue_2 = _polar(second, stretch)
    lightness = second[..., 0] - first[..., 0]  # (8)
    mean_chroma = (chroma_1 + chroma_2) / 2  # (13)
    grey = chroma_1 * chroma_2 == 0
    turn = hue_2 - hue_1
    turn = np.where(grey, 0.0, turn - 360 * np.round(turn / 360))  # (10)
    hue = 2 * np.sqrt(chroma_1 * chroma_2) * np.sin(np.radians(turn / 2))  # (11)
    mean_hue = _mean_hue(hue_1, hue_2, grey)
    squared = (first[..., 0] / 2 + second[..., 0] / 2 - 50) ** 2
    weight_lightness = 1 + 0.015 * squared / np.sqrt(20 + squared)  # (18)
    weight_chroma = 1 + 0.045 * mean_chroma  # (19)
    weight_hue = 1 + 0.015 * mean_chroma * _hue_factor(mean_hue)  # (20)
    parts = (
        lightness / weight_lightness,
        (chroma_2 - chroma_1) / weight_chroma,
        hue / weight_hue,
    )
    twist = _rotation(mean_chroma, mean_hue) * parts[1] * parts[2]
    return np.sqrt(np.maximum(parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2 + twist, 0.0))  # (22)


def _polar(lab: np.ndarray, stretch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Chroma and hue in degrees [0, 360) after a* is stretched (5 to 7)."""
    red_green = lab[..., 1] * stretch
    return np.hypot(red_green, lab[..., 2]), np.degrees(np.arctan2(lab[..., 2], red_green)) % 360


def _mean_hue(hue_1: np.ndarray, hue_2: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """(14)"""
    total = hue_1 + hue_2
    across = np.where(total < 360, (total + 360) / 2, (total - 360) / 2)
    return np.where(grey, total, np.where(np.abs(hue_1 - hue_2) <= 180, total / 2, across))


def _hue_factor(hue: np.ndarray) -> np.ndarray:
    """(15)"""
    return (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )


def _rotation(chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """(16), (17) and (21): the turn of the ellipses in the blue region."""
    angle = 30 * np.exp(-(((hue - 275) / 25) ** 2))
    return -2 * np.sqrt(chroma**7 / (chroma**7 + _25_POWER_7)) * np.sin(np.radians(2 * angle))
