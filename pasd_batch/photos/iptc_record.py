"""IPTC records (IIM) in the places programs put them: Photoshop's block, TIFF's tag, PNG's raw profiles."""

import struct
from collections.abc import Iterator

from pasd_batch.photos.errors import Warn

_SIGNATURE, _RESOURCE = b"8BIM", 0x0404
_CLIPPING_PATHS = range(2000, 2999)


def iptc_record(data: bytes, warn: Warn) -> bytes | None:
    """The record itself in `data`: a Photoshop block, or a record, perhaps as 32-bit words of another byte order."""
    if data.startswith(_SIGNATURE):
        return _from_photoshop(data, warn)
    if data[:1] != b"\x1c" and data[3:4] == b"\x1c" and len(data) % 4 == 0:
        data = struct.pack(f"<{len(data) // 4}I", *struct.unpack(f">{len(data) // 4}I", data))
    if data[:1] == b"\x1c":
        return data
    if data.strip(b"\0"):
        warn(f"the IPTC record cannot be read and is left out: it begins with {data[:4]!r}")
    return None


def photoshop_block(iptc: bytes) -> bytes:
    """A Photoshop block with the record as its only resource."""
    return struct.pack(">4sHHI", _SIGNATURE, _RESOURCE, 0, len(iptc)) + iptc + b"\0" * (len(iptc) % 2)


def _from_photoshop(block: bytes, warn: Warn) -> bytes | None:
    found = None
    try:
        for number, content in _resources(block):
            if number == _RESOURCE and found is None:
                found = content
            if number in _CLIPPING_PATHS:
                warn("a Photoshop path is left out")
    except (IndexError, struct.error) as error:
        if found is None:
            warn(f"the IPTC record cannot be read and is left out: {error}")
    return iptc_record(found, warn) if found and not found.startswith(_SIGNATURE) else None


def _resources(block: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while block[at : at + 4] == _SIGNATURE:
        (number,) = struct.unpack_from(">H", block, at + 4)
        at += 6 + (block[at + 6] | 1) + 1  # a name with its length before it, padded to an even size
        (size,) = struct.unpack_from(">I", block, at)
        if at + 4 + size > len(block):
            raise IndexError(f"a Photoshop block of {len(block)} bytes ends within its resource {number}")
        yield number, block[at + 4 : at + 4 + size]
        at += 4 + size + size % 2
