"""Short texts of PNG, JPEG and GIF as XMP properties, for formats that have no place for them."""

from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from xml.dom import minidom

from pasd_batch.photos.errors import Warn
from pasd_batch.photos.texts import COMMENT, MODIFIED, SOFTWARE, Text
from pasd_batch.photos.xmp_packet import RDF, PropertyName, new_description, text_of

_DC, _XMP = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/xap/1.0/"
_RIGHTS, _EXIF = "http://ns.adobe.com/xap/1.0/rights/", "http://ns.adobe.com/exif/1.0/"
_PREFIXES = {_DC: "dc", _XMP: "xmp", _RIGHTS: "xmpRights", _EXIF: "exif"}
_XML = "http://www.w3.org/XML/1998/namespace"
_DATE_FORMATS = ("%Y:%m:%d %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%d %b %Y %H:%M:%S", "%d %b %Y")


class _Shape(Enum):
    LANGUAGES = "Alt"
    LIST = "Seq"
    TEXT = ""
    DATE = "date"


_PROPERTIES: dict[str, tuple[PropertyName, _Shape]] = {
    "Title": ((_DC, "title"), _Shape.LANGUAGES),
    "Author": ((_DC, "creator"), _Shape.LIST),
    "Description": ((_DC, "description"), _Shape.LANGUAGES),
    "Copyright": ((_DC, "rights"), _Shape.LANGUAGES),
    "Disclaimer": ((_RIGHTS, "UsageTerms"), _Shape.LANGUAGES),
    "Source": ((_DC, "source"), _Shape.TEXT),
    "Creation Time": ((_XMP, "CreateDate"), _Shape.DATE),
    COMMENT: ((_EXIF, "UserComment"), _Shape.LANGUAGES),
    MODIFIED: ((_XMP, "ModifyDate"), _Shape.DATE),
    SOFTWARE: ((_XMP, "CreatorTool"), _Shape.TEXT),
}
_SUPERSEDED = (SOFTWARE, MODIFIED)  # of several, and beside what XMP says, the first is enough


def add_texts(document: minidom.Document, texts: Sequence[Text], warn: Warn) -> None:
    """Add texts that the packet lacks; warn of those without a property, or with another value there."""
    groups: dict[str, list[Text]] = {}
    for text in texts:
        groups.setdefault(text.keyword, []).append(text)
    left_out = [keyword for keyword, group in groups.items() if not _add(document, keyword, group)]
    if left_out:
        warn(f"texts that the output has no place for were left out: {', '.join(left_out)}")


def _add(document: minidom.Document, keyword: str, group: list[Text]) -> bool:
    """Add the texts of one keyword; True if the packet has all of them afterwards."""
    if keyword not in _PROPERTIES:
        return False
    (uri, name), shape = _PROPERTIES[keyword]
    there = text_of(document, (uri, name))
    values = _values(group, shape)
    if there or not values:
        return keyword in _SUPERSEDED or (bool(values) and set(values.values()) <= set(there))
    description = new_description(document, {_PREFIXES[uri]: uri})
    if shape in (_Shape.TEXT, _Shape.DATE):
        description.setAttributeNS(uri, f"{_PREFIXES[uri]}:{name}", next(iter(values.values())))
        return len(values) == 1 or keyword in _SUPERSEDED
    holder = document.createElementNS(uri, f"{_PREFIXES[uri]}:{name}")
    items = document.createElementNS(RDF, f"rdf:{shape.value}")
    for key, value in values.items():
        items.appendChild(_item(document, value, key if shape is _Shape.LANGUAGES else None))
    holder.appendChild(items)
    description.appendChild(holder)
    return True


def _values(group: list[Text], shape: _Shape) -> dict[str, str]:
    """The texts as the property holds them: one a language, or one a text; dates that can be read."""
    plain = [_plain(text.readable) for text in group]
    if shape is _Shape.LANGUAGES:
        languages: dict[str, list[str]] = {}
        for text, value in zip(group, plain, strict=True):
            languages.setdefault(text.language or "x-default", []).append(value)
        return {language: "\n".join(found) for language, found in languages.items()}
    if shape is _Shape.DATE:
        plain = [date for text in plain if (date := _iso_date(text)) is not None]
    return {str(number): text for number, text in enumerate(plain)}


def _item(document: minidom.Document, value: str, language: str | None) -> minidom.Element:
    item = document.createElementNS(RDF, "rdf:li")
    if language is not None:
        item.setAttributeNS(_XML, "xml:lang", language)
    item.appendChild(document.createTextNode(value))
    return item


def _plain(text: str) -> str:
    """The text with what XML cannot hold replaced."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c if (c >= " " or c in "\t\n") and c not in "\ufffe\uffff" else "\ufffd" for c in text)


def _iso_date(text: str) -> str | None:
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        pass
    for known in _DATE_FORMATS:
        try:
            return datetime.strptime(text, known).isoformat()
        except ValueError:
            continue
    try:
        return parsedate_to_datetime(text).isoformat()
    except ValueError:
        return None
