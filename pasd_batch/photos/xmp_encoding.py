"""XMP packets in any encoding of Unicode (XMP Specification, part 1, section 7.3.2), and ones that are no sound XML."""

import re

_ENCODINGS = (
    # Marks of byte order, else how the packet's first character (a `<` or a blank) looks; longer ones first.
    (rb"\xff\xfe\0\0|[< \r\n\t]\0\0\0", "utf-32-le"),
    (rb"\0\0\xfe\xff|\0\0\0[< \r\n\t]", "utf-32-be"),
    (rb"\xff\xfe|[< \r\n\t]\0", "utf-16-le"),
    (rb"\xfe\xff|\0[< \r\n\t]", "utf-16-be"),
)
_DECLARATION = re.compile(r"<\?xml\b[^>]*\?>")
_ELEMENT = re.compile(r"<((?:\w+:)?(?:x[am]pmeta|RDF))\b.*</\1\s*>", re.DOTALL)
_NOT_IN_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_BARE_AMPERSAND = re.compile(r"&(?!(?:#\d+|#x[0-9a-fA-F]+|amp|lt|gt|quot|apos);)")


def in_utf8(packet: bytes) -> bytes:
    """The packet in UTF-8; one in no encoding of Unicode as it is."""
    for start, encoding in _ENCODINGS:
        if re.match(start, packet):
            packet = packet[: len(packet) // 4 * 4] if encoding.startswith("utf-32") else packet[: len(packet) // 2 * 2]
            text = packet.decode(encoding, "replace").removeprefix("\ufeff")
            packet = _DECLARATION.sub("", text, count=1).encode("utf-8", "replace")
            break
    return packet.strip(b"\0 \r\n\t")


def repaired(packet: bytes) -> bytes:
    """The packet's element without what XML forbids: bytes that are no UTF-8 are taken for Latin-1, control characters
    and what stands round the element go, ampersands that begin nothing are written as XML wants them.
    """
    text = in_utf8(packet).decode("utf-8", "surrogateescape")
    text = "".join(chr(ord(c) - 0xDC00) if "\udc80" <= c <= "\udcff" else c for c in text)
    element = _ELEMENT.search(text)
    text = _NOT_IN_XML.sub("", element[0] if element else text)
    return _BARE_AMPERSAND.sub("&amp;", text).encode("utf-8", "replace")
