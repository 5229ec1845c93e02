"""Extended XMP, for packets longer than a JPEG segment.

As in Adobe's XMP Specification, part 3, section 1.1.3.1: the packet names its extension by the MD5 of its bytes.
"""

import hashlib
from xml.dom import minidom

from pasd_batch.photos.errors import Warn
from pasd_batch.photos.xmp_packet import (
    XMLNS,
    PropertyName,
    UnreadablePacket,
    descriptions,
    element_bytes,
    empty_packet,
    new_description,
    packet_bytes,
    parse_packet,
    properties,
    rdf_root,
    remove_properties,
    text_of,
)

HAS_EXTENDED: PropertyName = ("http://ns.adobe.com/xmp/note/", "HasExtendedXMP")
_ROOM_FOR_NAME = 400  # the description that names the extension


def extension_name(packet: bytes) -> str | None:
    """The MD5, in hexadecimal, of the extension that a packet names; None if it names none."""
    try:
        names = text_of(parse_packet(packet), HAS_EXTENDED)
    except UnreadablePacket:
        return None
    return names[0].strip() if names else None


def checksum(extension: bytes) -> str:
    """The name of an extension."""
    return hashlib.md5(extension, usedforsecurity=False).hexdigest().upper()


def join_extended(packet: bytes, extension: bytes, warn: Warn) -> bytes:
    """One packet with the properties of both."""
    try:
        document, further = parse_packet(packet), parse_packet(extension)
        for description in descriptions(further):
            _declare_inherited(description)
            rdf_root(document).appendChild(document.importNode(description, True))
        remove_properties(document, {HAS_EXTENDED})
        return packet_bytes(document)
    except (UnreadablePacket, RecursionError) as error:
        warn(f"the extended XMP packet cannot be read and is left out: {error}")
        return packet


def split_extended(packet: bytes, largest: int) -> tuple[bytes, bytes | None]:
    """A packet of at most `largest` bytes, and an extension with its largest properties; None if all fits.

    Where a packet is too large without its properties, all of it goes into the extension.
    """
    if len(packet) <= largest:
        return packet, None
    main, further = parse_packet(packet), parse_packet(packet)
    sizes: dict[PropertyName, int] = {}
    for name, text in (item for description in descriptions(main) for item in properties(description)):
        sizes[name] = sizes.get(name, 0) + len(text.encode("utf-8"))
    excess, moved = len(packet) - largest + _ROOM_FOR_NAME, set[PropertyName]()
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if excess > 0:
            moved.add(name)
            excess -= sizes[name]
    remove_properties(main, moved)
    remove_properties(further, sizes.keys() - moved)
    named, extension = _named(main, element_bytes(further))
    return (named, extension) if len(named) <= largest else _named(empty_packet(), element_bytes(parse_packet(packet)))


def _named(document: minidom.Document, extension: bytes) -> tuple[bytes, bytes]:
    """The packet with its extension's name in it, and the extension."""
    uri, name = HAS_EXTENDED
    new_description(document, {"xmpNote": uri}).setAttributeNS(uri, f"xmpNote:{name}", checksum(extension))
    return packet_bytes(document), extension


def _declare_inherited(description: minidom.Element) -> None:
    """Give a description the prefixes that are declared above it."""
    above = description.parentNode
    while isinstance(above, minidom.Element):
        for (uri, name), value in above.attributes.itemsNS():
            if uri == XMLNS and name != "xmlns" and not description.hasAttributeNS(XMLNS, name):
                description.setAttributeNS(XMLNS, f"xmlns:{name}", value)
        above = above.parentNode
