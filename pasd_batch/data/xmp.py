"""XMP packets: the mark that a model made the pixels, merged into what a photo already says.

Iptc4xmpExt:DigitalSourceType and AISystemUsed are those of the IPTC Photo Metadata Standard 2025.1; the term for
photos that a trained model worked on is `compositeWithTrainedAlgorithmicMedia` of IPTC's NewsCodes.
"""

from dataclasses import dataclass
from xml.dom import minidom
from xml.parsers.expat import ExpatError

from pasd_batch.data.photo_errors import Warn

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_MARKER = "urn:pasd-batch:restoration#"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_TIFF = "http://ns.adobe.com/tiff/1.0/"
_EXIF = "http://ns.adobe.com/exif/1.0/"
_XMP = "http://ns.adobe.com/xap/1.0/"
_XMLNS = "http://www.w3.org/2000/xmlns/"

_EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}"/></x:xmpmeta>'

# What no longer holds: the mark's own properties are set anew, the rest described the file the photo came from.
_OUTDATED = frozenset(
    {
        (_IPTC, "DigitalSourceType"),
        (_IPTC, "AISystemUsed"),
        (_IPTC, "AISystemVersionUsed"),
        (_MARKER, "Software"),
        (_MARKER, "Model"),
        (_MARKER, "ConfigFingerprint"),
        (_TIFF, "Orientation"),
        (_TIFF, "ImageWidth"),
        (_TIFF, "ImageLength"),
        (_EXIF, "PixelXDimension"),
        (_EXIF, "PixelYDimension"),
        (_XMP, "Thumbnails"),
    }
)


@dataclass(frozen=True)
class RestorationMarker:
    """What is written into every output: the program with its version, the model, and the run's configuration."""

    software: str
    model: str
    config_fingerprint: str

    @property
    def summary(self) -> str:
        """One line of ASCII for formats' plain `Software` fields."""
        text = f"{self.software} (restored by {self.model}; config {self.config_fingerprint})"
        return text.encode("ascii", "replace").decode("ascii")


def marked_xmp(packet: bytes | None, marker: RestorationMarker, warn: Warn) -> bytes:
    """`packet` with the marker added, everything else kept, statements about the old file's shape removed.

    A packet that cannot be parsed cannot be merged: it is replaced, and a warning says so.
    """
    try:
        return _marked(_parse(packet, warn) if packet else minidom.parseString(_EMPTY), marker)
    except RecursionError:
        warn("an XMP packet is nested too deeply to be read and is replaced")
        return _marked(minidom.parseString(_EMPTY), marker)


def _marked(document: minidom.Document, marker: RestorationMarker) -> bytes:
    rdf = document.getElementsByTagNameNS(_RDF, "RDF")[0]
    for description in [node for node in rdf.childNodes if isinstance(node, minidom.Element)]:
        _remove_outdated(description)
        if _says_nothing(description):
            rdf.removeChild(description)
    rdf.appendChild(_marker_description(document, marker))
    body = document.documentElement.toxml() if document.documentElement else ""
    wrapped = f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>{body}<?xpacket end="w"?>'
    return wrapped.encode("utf-8")


def _parse(packet: bytes, warn: Warn) -> minidom.Document:
    try:
        document = minidom.parseString(_as_utf8(packet))
        if document.doctype is None and document.getElementsByTagNameNS(_RDF, "RDF"):
            return document
        problem = "it holds no rdf:RDF, or a DOCTYPE"
    except (ExpatError, ValueError, LookupError) as error:
        problem = str(error)
    warn(f"an XMP packet cannot be read and is replaced: {problem}")
    return minidom.parseString(_EMPTY)


def _as_utf8(packet: bytes) -> bytes:
    if packet.startswith((b"\xff\xfe", b"\xfe\xff")):
        packet = packet[: len(packet) // 2 * 2].decode("utf-16").encode("utf-8")
    return packet.strip(b"\0 \r\n\t")


def _says_nothing(description: minidom.Element) -> bool:
    names = [(uri, name) for uri, name in description.attributes.keysNS() if uri != _XMLNS]
    has_children = any(isinstance(child, minidom.Element) for child in description.childNodes)
    return not has_children and all(name == (_RDF, "about") for name in names)


def _remove_outdated(description: minidom.Element) -> None:
    for uri, name in _OUTDATED:
        if description.hasAttributeNS(uri, name):
            description.removeAttributeNS(uri, name)
    for child in list(description.childNodes):
        if isinstance(child, minidom.Element) and (child.namespaceURI, child.localName) in _OUTDATED:
            description.removeChild(child)


def _marker_description(document: minidom.Document, marker: RestorationMarker) -> minidom.Element:
    description = document.createElementNS(_RDF, "rdf:Description")
    for prefix, uri in (("rdf", _RDF), ("Iptc4xmpExt", _IPTC), ("pasd", _MARKER)):
        description.setAttributeNS(_XMLNS, f"xmlns:{prefix}", uri)
    description.setAttributeNS(_RDF, "rdf:about", "")
    description.setAttributeNS(_IPTC, "Iptc4xmpExt:DigitalSourceType", DIGITAL_SOURCE_TYPE)
    description.setAttributeNS(_IPTC, "Iptc4xmpExt:AISystemUsed", f"{marker.software}, {marker.model}")
    description.setAttributeNS(_MARKER, "pasd:Software", marker.software)
    description.setAttributeNS(_MARKER, "pasd:Model", marker.model)
    description.setAttributeNS(_MARKER, "pasd:ConfigFingerprint", marker.config_fingerprint)
    return description
