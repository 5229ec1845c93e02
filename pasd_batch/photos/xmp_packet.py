"""XMP packets as documents: read, searched, changed and written.

A property stands in a packet as an attribute or a child of an rdf:Description; both are meant wherever one is.
"""

from collections.abc import Collection, Iterator
from xml.dom import minidom
from xml.parsers.expat import ExpatError

from pasd_batch.photos.xmp_encoding import in_utf8

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMLNS = "http://www.w3.org/2000/xmlns/"
_EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'
_LARGEST, _MOST_MARKS = 1 << 24, 250_000
"""Bytes, and tags and attributes, of a packet that is read: as a document each of the latter takes up to 1 kB."""

PropertyName = tuple[str, str]
"""A namespace and a name in it."""


class UnreadablePacket(ValueError):
    """The bytes are no XMP packet that is read here; the message says why."""


def empty_packet() -> minidom.Document:
    """A packet that says nothing."""
    return minidom.parseString(_EMPTY)


def parse_packet(packet: bytes) -> minidom.Document:
    """The packet's document.

    Raises:
        UnreadablePacket: no XML, no rdf:RDF in it, a DOCTYPE, or more than is read of size or number.
    """
    if len(packet) > _LARGEST:
        raise UnreadablePacket(f"{len(packet):,} bytes are more than the {_LARGEST:,} that are read")
    marks = packet.count(b"<") + packet.count(b"=")  # no fewer than these in any encoding
    if marks > _MOST_MARKS:
        raise UnreadablePacket(f"{marks:,} tags and attributes are more than the {_MOST_MARKS:,} that are read")
    try:
        text = in_utf8(packet)
        if b"<!DOCTYPE" in text:  # whose entities may expand to much
            raise UnreadablePacket("it holds a DOCTYPE")
        document = minidom.parseString(text)
    except UnreadablePacket:
        raise
    except RecursionError:
        raise UnreadablePacket("it is nested too deeply") from None
    except (ExpatError, ValueError, LookupError) as error:
        raise UnreadablePacket(str(error)) from None
    if not document.getElementsByTagNameNS(RDF, "RDF"):
        raise UnreadablePacket("it holds no rdf:RDF")
    return document


def element_bytes(document: minidom.Document) -> bytes:
    """The document's element alone."""
    root = document.documentElement
    return b"" if root is None else root.toxml().encode("utf-8")


def packet_bytes(document: minidom.Document) -> bytes:
    """The document as a packet, with the marks round it by which programs find one."""
    begin, end = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>', '<?xpacket end="w"?>'
    return begin.encode("utf-8") + element_bytes(document) + end.encode("utf-8")


def rdf_root(document: minidom.Document) -> minidom.Element:
    """The element that holds the descriptions."""
    return document.getElementsByTagNameNS(RDF, "RDF")[0]


def descriptions(document: minidom.Document) -> list[minidom.Element]:
    """The elements that hold properties."""
    return [node for node in rdf_root(document).childNodes if isinstance(node, minidom.Element)]


def new_description(document: minidom.Document, namespaces: dict[str, str]) -> minidom.Element:
    """A further description at the end of the packet, which declares prefixes for `namespaces`."""
    description = document.createElementNS(RDF, "rdf:Description")
    for prefix, uri in {"rdf": RDF, **namespaces}.items():
        description.setAttributeNS(XMLNS, f"xmlns:{prefix}", uri)
    description.setAttributeNS(RDF, "rdf:about", "")
    rdf_root(document).appendChild(description)
    return description


def properties(description: minidom.Element) -> Iterator[tuple[PropertyName, str]]:
    """Every property's name, and what stands there as XML."""
    for (uri, name), value in description.attributes.itemsNS():
        if uri not in (XMLNS, RDF):
            yield (uri or "", name), value
    for child in description.childNodes:
        if isinstance(child, minidom.Element):
            yield (child.namespaceURI or "", child.localName), child.toxml()


def remove_properties(document: minidom.Document, names: Collection[PropertyName]) -> None:
    """The packet without those properties, nor descriptions that are left with none."""
    for description in descriptions(document):
        for uri, name in list(description.attributes.keysNS()):
            if (uri, name) in names:
                description.removeAttributeNS(uri, name)
        for child in list(description.childNodes):
            if isinstance(child, minidom.Element) and (child.namespaceURI, child.localName) in names:
                description.removeChild(child)
        if not any(True for _ in properties(description)):
            rdf_root(document).removeChild(description)


def text_of(document: minidom.Document, name: PropertyName) -> list[str]:
    """The texts of a property: one, those of a list, or in several languages; none where the packet lacks it."""
    found = [attribute for description in descriptions(document) if (attribute := description.getAttributeNS(*name))]
    for description in descriptions(document):
        for child in description.childNodes:
            if isinstance(child, minidom.Element) and (child.namespaceURI, child.localName) == name:
                items = child.getElementsByTagNameNS(RDF, "li") or [child]
                found += [
                    "".join(node.data for node in item.childNodes if isinstance(node, minidom.Text)) for item in items
                ]
    return found
