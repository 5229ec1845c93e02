"""Metadata that are measured in pixels: scaled with the photo, or left out with a warning if it was rotated.

EXIF's subject and focal plane, GeoTIFF's ground (OGC 19-008r4, section 7.1), Google's panoramas, and the size that
regions of the Metadata Working Group are relative to.
"""

import struct
from dataclasses import dataclass
from fractions import Fraction
from xml.dom import minidom

from PIL import ExifTags

from pasd_batch.photos.errors import Warn
from pasd_batch.photos.tiff_directory import CAMERA, SHORT, TiffDirectories, Value
from pasd_batch.photos.xmp_packet import RDF, PropertyName, descriptions, properties, rdf_root, remove_properties

_DOUBLE = 12
_SUBJECT, _FOCAL_PLANE = (37396, 41492), (41486, 41487)
_TIE_POINTS = 33922
_GROUPS = {33550: 3, _TIE_POINTS: 6, 34264: 4}
"""GeoTIFF's tags and the size of their groups of numbers, of which the first two are for x and y."""

_TAGS: dict[int | None, tuple[int, ...]] = {CAMERA: (*_SUBJECT, *_FOCAL_PLANE), None: tuple(_GROUPS)}
_LARGEST_SHORT = 65535

_EXIF, _GPANO = "http://ns.adobe.com/exif/1.0/", "http://ns.google.com/photos/1.0/panorama/"
_DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
_ACROSS = ("CroppedAreaImageWidthPixels", "FullPanoWidthPixels", "CroppedAreaLeftPixels")
_ACROSS += ("LargestValidInteriorRectWidth", "LargestValidInteriorRectLeft")
_DOWN = ("CroppedAreaImageHeightPixels", "FullPanoHeightPixels", "CroppedAreaTopPixels")
_DOWN += ("LargestValidInteriorRectHeight", "LargestValidInteriorRectTop")
_AXES: dict[PropertyName, int] = {
    **{(_GPANO, name): 0 for name in _ACROSS},
    **{(_GPANO, name): 1 for name in _DOWN},
    (_DIMENSIONS, "w"): 0,
    (_DIMENSIONS, "h"): 1,
}
_PAIRS = frozenset({(_EXIF, "SubjectArea"), (_EXIF, "SubjectLocation")})
_RATIONALS: dict[PropertyName, int] = {(_EXIF, "FocalPlaneXResolution"): 0, (_EXIF, "FocalPlaneYResolution"): 1}


@dataclass(frozen=True)
class PixelScale:
    """Scale of a result against its source along each axis, and whether it was rotated or mirrored."""

    across: float = 1.0
    down: float = 1.0
    is_turned: bool = False

    @property
    def factors(self) -> tuple[float, float]:
        """Across and down."""
        return self.across, self.down

    @property
    def changes_nothing(self) -> bool:
        """True if pixel coordinates stay the same."""
        return self == PixelScale()


def scale_exif(exif: TiffDirectories, scale: PixelScale, warn: Warn) -> None:
    """Scale what a record says in pixels."""
    if scale.changes_nothing:
        return
    left_out = list[int]()
    for name, tags in _TAGS.items():
        directory = exif.main if name is None else exif.others.get(name, {})
        for tag in (tag for tag in tags if tag in directory):
            value = None if scale.is_turned else _scaled(exif, name, tag, scale)
            if value is None:
                left_out.append(tag)
                del directory[tag]
            else:
                directory[tag] = value
    if left_out:
        names = ", ".join(str(ExifTags.TAGS.get(tag, tag)) for tag in left_out)
        warn(f"EXIF tags in pixels of the photo as it was stored are left out: {names}")


def _scaled(exif: TiffDirectories, name: int | None, tag: int, scale: PixelScale) -> Value | None:
    """A tag's value for the new pixels; None if it cannot be read, or has no room for it."""
    if tag in _FOCAL_PLANE:
        number, factor = exif.fraction(tag, directory=name), scale.factors[_FOCAL_PLANE.index(tag)]
        return None if number is None else exif.rational(number * Fraction(factor))
    if tag in _SUBJECT:
        given = exif.numbers(tag, directory=name)
        numbers = [round(number * scale.factors[at % 2]) for at, number in enumerate(given)]
        return exif.integers(SHORT, *numbers) if numbers and max(numbers) <= _LARGEST_SHORT else None
    value = exif.main[tag]
    if value.kind != _DOUBLE:
        return None
    doubles = list(struct.unpack(f"{exif.order}{value.count}d", value.data))
    for at, number in enumerate(doubles):
        place = at % _GROUPS[tag]
        if place < len(scale.factors):
            doubles[at] = number * scale.factors[place] if tag == _TIE_POINTS else number / scale.factors[place]
    return Value(_DOUBLE, struct.pack(f"{exif.order}{len(doubles)}d", *doubles))


def scale_xmp(document: minidom.Document, scale: PixelScale, warn: Warn) -> None:
    """Scale what a packet says in pixels."""
    if scale.changes_nothing:
        return
    if scale.is_turned:
        stated = {name for description in descriptions(document) for name, _ in properties(description)}
        if left_out := stated & (_AXES.keys() | _RATIONALS.keys() | _PAIRS):
            remove_properties(document, left_out)
            names = ", ".join(sorted(name for _, name in left_out))
            warn(f"XMP properties in pixels of the photo as it was stored are left out: {names}")
        return
    for element in rdf_root(document).getElementsByTagName("*"):
        for attribute in element.attributes.values():
            name = (attribute.namespaceURI or "", attribute.localName)
            if (axis := _AXES.get(name, _RATIONALS.get(name))) is not None:
                attribute.value = _times(attribute.value, scale.factors[axis])
        own = (element.namespaceURI or "", element.localName)
        if (axis := _AXES.get(own, _RATIONALS.get(own))) is not None:
            _scale_text(element, scale.factors[axis])
        elif own in _PAIRS:
            for at, item in enumerate(element.getElementsByTagNameNS(RDF, "li")):
                _scale_text(item, scale.factors[at % 2])


def _scale_text(element: minidom.Element, factor: float) -> None:
    text = element.firstChild
    if isinstance(text, minidom.Text):
        text.data = _times(text.data, factor)


def _times(number: str, factor: float) -> str:
    """Scale a number of pixels, or a fraction; other text is unchanged."""
    try:
        if "/" in number:
            return str(Fraction(Fraction(number) * Fraction(factor)).limit_denominator(10_000))
        return str(round(float(number) * factor))
    except (ValueError, OverflowError, ZeroDivisionError):
        return number
