"""Resolution: how many pixels a length of print or scan holds, the same number in every format's own notation.

The number is carried over as it is, whatever the scale: a photo restored at twice the size prints at twice the size.
"""

from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction


class LengthUnit(IntEnum):
    """Numbered as TIFF's ResolutionUnit; NONE tells the shape of pixels only."""

    NONE = 1
    INCH = 2
    CENTIMETRE = 3


_INCHES_PER_METRE = Fraction(10_000, 254)
_LARGEST_JFIF = 65535
_LARGEST_PHYS = 2**31 - 1


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


def from_jfif(unit: int, x: int, y: int) -> Resolution | None:
    """JFIF's density: units 0 to 2 are TIFF's 1 to 3."""
    return resolution(Fraction(x), Fraction(y), unit + 1)


def to_jfif(given: Resolution) -> tuple[int, int, int] | None:
    """JFIF's unit and densities, rounded to whole numbers; None where they are too large or too small for it."""
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
