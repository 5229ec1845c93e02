"""Resolution (pixels per length) in each format's notation.

It grows with the photo: a scan of 300 dpi restored at twice the size has 600 dpi, so that its print size stays.
"""

import math
from dataclasses import dataclass, replace
from enum import IntEnum
from fractions import Fraction


class LengthUnit(IntEnum):
    """TIFF's ResolutionUnit; with NONE a resolution gives the pixel aspect ratio only."""

    NONE = 1
    INCH = 2
    CENTIMETRE = 3


_INCHES_PER_METRE = Fraction(10_000, 254)
_CENTIMETRES = Fraction(254, 100)
"""In an inch."""

_LARGEST_JFIF = 65535
_LARGEST_PHYS = 2**31 - 1
_FINEST_SCALE = 100
"""Denominator up to which a scale such as 3/2 is looked for."""

_LYING = range(5, 9)
"""EXIF's orientations of photos whose rows are stored as columns."""


@dataclass(frozen=True)
class Resolution:
    """Pixels per unit of length, across and down; both above 0."""

    x: Fraction
    y: Fraction
    unit: LengthUnit = LengthUnit.INCH

    @property
    def says_something(self) -> bool:
        """False for square pixels of no known size."""
        return self.unit is not LengthUnit.NONE or self.x != self.y


def resolution(x: Fraction | None, y: Fraction | None, unit: int) -> Resolution | None:
    """A resolution of `unit` as TIFF numbers it; None if the numbers say nothing."""
    if x is None or y is None or x <= 0 or y <= 0 or unit not in tuple(LengthUnit):
        return None
    found = Resolution(x, y, LengthUnit(unit))
    return found if found.says_something else None


def turned(given: Resolution, orientation: int) -> Resolution:
    """The resolution of a photo that was turned upright as EXIF's `orientation` says."""
    return replace(given, x=given.y, y=given.x) if orientation in _LYING else given


def scaled(given: Resolution, before: tuple[int, int], after: tuple[int, int]) -> Resolution:
    """The resolution of a photo of `before` (width, height) at the size `after`: its print stays as large."""
    across, down = _scales(before, after)
    if given.unit is LengthUnit.NONE:
        return replace(given, x=given.x * across / down)
    return replace(given, x=given.x * across, y=given.y * down)


def _scales(before: tuple[int, int], after: tuple[int, int]) -> tuple[Fraction, Fraction]:
    """The simplest fraction that scales to these rounded sizes; without one, the ratios of the sizes.

    So 300 dpi become 450 at 1.5 times the size, independent of rounding to whole pixels.
    """
    sides = list(zip(before, after, strict=True))
    lowest = max(Fraction(2 * new - 1, 2 * old) for old, new in sides)
    highest = min(Fraction(2 * new + 1, 2 * old) for old, new in sides)
    for denominator in range(1, _FINEST_SCALE + 1):
        scale = Fraction(math.ceil(lowest * denominator), denominator)
        if 0 < scale <= highest:
            return scale, scale
    across, down = (Fraction(new, old) for old, new in sides)
    return across, down


def from_jfif(unit: int, x: int, y: int) -> Resolution | None:
    """JFIF's density: units 0 to 2 are TIFF's 1 to 3."""
    return resolution(Fraction(x), Fraction(y), unit + 1)


def to_jfif(given: Resolution) -> tuple[int, int, int] | None:
    """JFIF's unit and densities, rounded to whole numbers; None where they are too large or too small for it.

    Values that are not whole per centimetre are given per inch, for which rounding is finer.
    """
    if given.unit is LengthUnit.CENTIMETRE and max(given.x.denominator, given.y.denominator) > 1:
        given = Resolution(given.x * _CENTIMETRES, given.y * _CENTIMETRES)
    x, y = round(given.x), round(given.y)
    return (given.unit - 1, x, y) if min(x, y) >= 1 and max(x, y) <= _LARGEST_JFIF else None


def from_metres(x: int, y: int, *, is_metre: bool = True) -> Resolution | None:
    """PNG's pHYs and BMP's header: whole pixels per metre, or without unit.

    Of the numbers per inch that give the same whole number per metre, a whole one is meant if there is one:
    11811 is 300 dpi.
    """
    if not is_metre:
        return resolution(Fraction(x), Fraction(y), LengthUnit.NONE)
    return resolution(_per_inch(x), _per_inch(y), LengthUnit.INCH)


def to_metres(given: Resolution) -> tuple[int, int, bool] | None:
    """Whole pixels per metre across and down, and whether a metre is the unit; None where they are out of range."""
    factor = {LengthUnit.NONE: 1, LengthUnit.INCH: _INCHES_PER_METRE, LengthUnit.CENTIMETRE: 100}[given.unit]
    x, y = round(given.x * factor), round(given.y * factor)
    return (x, y, given.unit is not LengthUnit.NONE) if min(x, y) >= 1 and max(x, y) <= _LARGEST_PHYS else None


def _per_inch(per_metre: int) -> Fraction:
    exact = per_metre / _INCHES_PER_METRE
    whole = Fraction(round(exact))
    return whole if round(whole * _INCHES_PER_METRE) == per_metre else exact
