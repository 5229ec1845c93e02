"""XMP packets: the marker of AI restoration, merged into the photo's packet.

Iptc4xmpExt:DigitalSourceType and AISystemUsed are those of the IPTC Photo Metadata Standard 2025.1; the term for
photos that a trained model worked on is `compositeWithTrainedAlgorithmicMedia` of IPTC's NewsCodes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.dom import minidom

from pasd_batch.photos.errors import Warn
from pasd_batch.photos.pixel_metadata import PixelScale, scale_xmp
from pasd_batch.photos.texts import Text
from pasd_batch.photos.xmp_encoding import repaired
from pasd_batch.photos.xmp_extended import HAS_EXTENDED
from pasd_batch.photos.xmp_packet import (
    PropertyName,
    UnreadablePacket,
    descriptions,
    empty_packet,
    new_description,
    packet_bytes,
    parse_packet,
    properties,
    remove_properties,
)
from pasd_batch.photos.xmp_texts import add_texts

DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
RESTORATION = "urn:pasd-batch:restoration#"
"""Namespace of the statement that a model made a photo, which stands as plain text in every output."""
_TIFF = "http://ns.adobe.com/tiff/1.0/"
_EXIF = "http://ns.adobe.com/exif/1.0/"
_SHAPE = "Orientation ImageWidth ImageLength BitsPerSample Compression PhotometricInterpretation SamplesPerPixel"
_SHAPE += " PlanarConfiguration YCbCrSubSampling YCbCrPositioning XResolution YResolution ResolutionUnit"

# What no longer holds: the mark's own properties are set anew, the rest described the file the photo came from.
_OUTDATED = frozenset(
    {
        (_IPTC, "DigitalSourceType"),
        (_IPTC, "AISystemUsed"),
        (_IPTC, "AISystemVersionUsed"),
        (RESTORATION, "Software"),
        (RESTORATION, "Model"),
        (RESTORATION, "ConfigFingerprint"),
        (_EXIF, "PixelXDimension"),
        (_EXIF, "PixelYDimension"),
        ("http://ns.adobe.com/xap/1.0/", "Thumbnails"),
        ("http://ns.adobe.com/photoshop/1.0/", "ColorMode"),
        ("http://purl.org/dc/elements/1.1/", "format"),
        HAS_EXTENDED,
        *((_TIFF, name) for name in _SHAPE.split()),
    }
)

# Namespaces about further parts of the old file, which are not carried over, by how they begin.
_PARTS = {
    "http://ns.adobe.com/hdr-gain-map/": "a gain map",
    "http://ns.apple.com/HDRGainMap/": "a gain map",
    "http://ns.google.com/photos/1.0/container/": "further pictures",
    "http://ns.google.com/photos/1.0/depthmap/": "a depth map",
    "http://ns.google.com/photos/dd/": "a depth map",
    "http://ns.apple.com/depthData/": "a depth map",
    "http://ns.apple.com/pixeldatainfo/": "a depth map",
    "http://ns.google.com/photos/1.0/image/": "a second picture",
    "http://ns.google.com/photos/1.0/audio/": "a sound",
    "http://ns.oplus.com/photos/1.0/camera/": "a video",
}
_VIDEO_NAMES = ("MotionPhoto", "MicroVideo")  # in the namespaces of several makers


@dataclass(frozen=True)
class RestorationMarker:
    """Marker of every output: program and version, model, and the run's configuration."""

    software: str
    model: str
    config_fingerprint: str
    color_reference: str | None = None
    """SHA-256 (hex) of the file whose palette the photo has."""

    @property
    def summary(self) -> str:
        """One line of ASCII for formats' plain `Software` fields."""
        text = f"{self.software} (restored by {self.model}; config {self.config_fingerprint})"
        return text.encode("ascii", "replace").decode("ascii")


def marked_xmp(
    packet: bytes | None,
    marker: RestorationMarker,
    warn: Warn,
    *,
    texts: Sequence[Text] = (),
    scale: PixelScale = PixelScale(),  # noqa: B008 (frozen)
) -> bytes:
    """Add the marker and `texts` to a packet, remove properties of the old file, and apply `scale` to pixel values.

    A packet that cannot be parsed is repaired or else replaced, with a warning. Properties of parts that are not
    carried over (a video, a gain map, a depth map) are removed, with a warning.
    """
    try:
        document = _parsed(packet, warn) if packet else empty_packet()
        scale_xmp(document, scale, warn)
        return _marked(document, marker, warn, texts)
    except UnreadablePacket as error:
        warn(f"an XMP packet cannot be read and is replaced: {error}")
    except RecursionError:
        warn("an XMP packet cannot be read and is replaced: it is nested too deeply")
    return _marked(empty_packet(), marker, warn, texts)


def _parsed(packet: bytes, warn: Warn) -> minidom.Document:
    try:
        return parse_packet(packet)
    except UnreadablePacket as error:
        try:
            document = parse_packet(repaired(packet))
        except UnreadablePacket:
            raise error from None
        warn(f"an XMP packet broke XML's rules and was repaired: {error}")
        return document


def _marked(document: minidom.Document, marker: RestorationMarker, warn: Warn, texts: Sequence[Text]) -> bytes:
    names = {name for description in descriptions(document) for name, _ in properties(description)}
    parts = {name: part for name in names if (part := _part(name)) is not None}
    remove_properties(document, _OUTDATED | parts.keys())
    add_texts(document, texts, warn)
    _add_marker(document, marker)
    packet = packet_bytes(document)
    if parts:
        warn(f"parts of the file beside its picture were left out: {', '.join(sorted(set(parts.values())))}")
    return packet


def _part(name: PropertyName) -> str | None:
    """Part of the old file (a video, a gain map ...) that a property belongs to; None for others."""
    if name[1].startswith(_VIDEO_NAMES):
        return "a video"
    return next((part for start, part in _PARTS.items() if name[0].startswith(start)), None)


def _add_marker(document: minidom.Document, marker: RestorationMarker) -> None:
    description = new_description(document, {"Iptc4xmpExt": _IPTC, "pasd": RESTORATION})
    description.setAttributeNS(_IPTC, "Iptc4xmpExt:DigitalSourceType", DIGITAL_SOURCE_TYPE)
    description.setAttributeNS(_IPTC, "Iptc4xmpExt:AISystemUsed", f"{marker.software}, {marker.model}")
    description.setAttributeNS(RESTORATION, "pasd:Software", marker.software)
    description.setAttributeNS(RESTORATION, "pasd:Model", marker.model)
    description.setAttributeNS(RESTORATION, "pasd:ConfigFingerprint", marker.config_fingerprint)
    if marker.color_reference is not None:
        description.setAttributeNS(RESTORATION, "pasd:ColorReference", marker.color_reference)
