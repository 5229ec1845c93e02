"""Shape of a photo, by which odd ones among many are found."""

import math


def aspect(*, height: int, width: int) -> float:
    """Shorter side over longer: 1 for a square; CleanVision calls less than 0.35 odd."""
    return min(height, width) / max(height, width)


def mean_side(*, height: int, width: int) -> float:
    """Side of a square of the same area, pixels; CleanVision calls three interquartile ranges off the set's odd."""
    return math.sqrt(height * width)
