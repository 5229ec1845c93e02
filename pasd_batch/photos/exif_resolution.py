"""Resolution in EXIF's and TIFF's tags, and in XMP, which says it again."""

import re
from dataclasses import replace
from fractions import Fraction

from pasd_batch.photos.resolution import LengthUnit, Resolution, resolution
from pasd_batch.photos.tiff_directory import SHORT, TiffDirectories

X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
_OF_XMP = re.compile(rb"tiff:(XResolution|YResolution|ResolutionUnit)(?:=[\"']|>)\s*(\d{1,12}(?:/\d{1,12})?)\s*[\"'<]")


def resolution_of_exif(exif: TiffDirectories) -> Resolution | None:
    """The record's resolution; the same across and down where one of them is missing."""
    unit = exif.numbers(RESOLUTION_UNIT) or (LengthUnit.INCH,)
    x, y = exif.fraction(X_RESOLUTION), exif.fraction(Y_RESOLUTION)
    return resolution(x or y, y or x, unit[0])


def resolution_of_xmp(packet: bytes | None) -> Resolution | None:
    """The resolution that a packet in UTF-8 states, as programs that write no EXIF do."""
    stated = dict(_OF_XMP.findall(packet or b""))
    try:
        x, y = (Fraction(stated.get(name, b"0").decode()) for name in (b"XResolution", b"YResolution"))
        unit = Fraction(stated.get(b"ResolutionUnit", b"2").decode())
    except ZeroDivisionError:
        return None
    return resolution(x or y, y or x, int(unit))


def with_resolution(exif: TiffDirectories, found: Resolution | None) -> TiffDirectories:
    """Add the resolution to a record without one, for formats that store it only in EXIF."""
    if found is None or resolution_of_exif(exif) is not None:
        return exif
    return _with_tags(exif, found)


def with_own_resolution(exif: TiffDirectories, found: Resolution | None) -> TiffDirectories:
    """Replace the resolution of a record that has one."""
    if found is None or resolution_of_exif(exif) is None:
        return exif
    return _with_tags(exif, found)


def _with_tags(exif: TiffDirectories, found: Resolution) -> TiffDirectories:
    tags = {
        X_RESOLUTION: exif.rational(found.x),
        Y_RESOLUTION: exif.rational(found.y),
        RESOLUTION_UNIT: exif.integers(SHORT, found.unit),
    }
    return replace(exif, main={**exif.main, **tags})
