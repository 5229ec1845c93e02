"""JPEG segments with metadata: reading and writing.

EXIF is APP1 of the EXIF standard; XMP, and XMP beyond one segment, those of Adobe's XMP Specification, part 3; IPTC
lies in Photoshop's APP13.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from pasd_batch.photos.errors import Warn
from pasd_batch.photos.iptc_record import iptc_record, photoshop_block
from pasd_batch.photos.jpeg_scans import after_end
from pasd_batch.photos.metadata_blocks import MetadataBlocks, exif_directories
from pasd_batch.photos.resolution import Resolution, from_jfif, to_jfif
from pasd_batch.photos.texts import COMMENT, Text, as_bytes, comment
from pasd_batch.photos.xmp_extended import checksum, extension_name, join_extended

LARGEST_SEGMENT = 65533
LARGEST_EXIF = LARGEST_SEGMENT - 6
_EXIF, _XMP, _EXTENDED = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP, _JFIF, _ICC = b"Photoshop 3.0\0", b"JFIF\0", b"ICC_PROFILE\0"
_PICTURES = b"MPF\0"
_SPIFF, _END_OF_SPIFF = b"SPIFF\0", b"\0\0\0\1\xff\xd8"  # ITU-T T.84, annex F: its header, its end
_OF_THE_FILE = (
    *(_JFIF, b"JFXX\0", _SPIFF, _END_OF_SPIFF, b"Adobe\0", b"Ducky", b"urn:iso:std:iso:ts:21496", b"\xff\xd8"),
    *(_EXTENDED, _ICC),
)
"""Prefixes of segments that are not carried over: thumbnails, how the old file stored its pixels, malformed ones."""
LARGEST_XMP = LARGEST_SEGMENT - len(_XMP)
LARGEST_ICC = 255 * (LARGEST_SEGMENT - len(_ICC) - 2)
_EXTENDED_HEADER = len(_EXTENDED) + 40
_APP0, _APP1, _APP2, _APP11, _APP13, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE, 0xEF
_COM, _SOS, _EOI = 0xFE, 0xDA, 0xD9
_SHORTEST_HEADER = 12  # of JFIF's and Adobe's segments, which define the colour transform
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_JFIF_DENSITY = 2 + 4 + 7  # start of image, APP0's marker and length, name and version


@dataclass
class _Pieces:
    exif: bytes = b""
    xmp: bytes | None = None
    extensions: dict[bytes, dict[int, bytes]] = field(default_factory=dict)
    photoshop: bytes = b""
    icc: dict[int, bytes] = field(default_factory=dict)
    icc_count: int = 0
    has_credentials: bool = False
    has_pictures: bool = False
    unknown_segments: list[str] = field(default_factory=list)


def read_jpeg(data: bytes, warn: Warn) -> MetadataBlocks:
    """The metadata of a JPEG file; what cannot be read is left out with a warning."""
    found, pieces = MetadataBlocks(), _Pieces()
    for _, marker, body in segments(data):
        if marker == _COM and body.strip(b"\0"):
            found.texts.append(comment(body))
        elif marker == _APP0 and body.startswith(_JFIF) and len(body) >= 12:
            found.resolution = from_jfif(*struct.unpack_from(">BHH", body, 7))
        else:
            _sort(marker, body, pieces)
    if pieces.exif:
        found.exif = exif_directories(pieces.exif, warn)
    if pieces.photoshop:
        found.iptc = iptc_record(pieces.photoshop, warn)
    found.xmp = _whole_xmp(pieces, warn)
    if len(pieces.icc) == pieces.icc_count:
        found.icc = b"".join(pieces.icc[number] for number in sorted(pieces.icc)) or None
    else:
        warn(f"the ICC profile is left out: {len(pieces.icc)} of its {pieces.icc_count} parts are there")
    if pieces.has_credentials:
        warn("the content credentials (C2PA) are left out: they hold for the file as it was")
    if pieces.unknown_segments:
        names = ", ".join(dict.fromkeys(pieces.unknown_segments))
        warn(f"segments that no other file has a place for are left out: {names}")
    _warn_of_trailing_data(data, pieces, warn)
    return found


def before_scans(data: bytes) -> bytes:
    """The segments of a JPEG file before its pixels."""
    end = 2
    for at, _, body in segments(data):
        end = at + 4 + len(body)
    return data[:end]


def _warn_of_trailing_data(data: bytes, pieces: _Pieces, warn: Warn) -> None:
    size = len(after_end(data))
    if size and pieces.has_pictures:
        warn("further pictures of the file (MPF) are left out, such as a gain map, a preview or a second view")
    elif size:
        warn(f"{size:,} bytes after the photo's end are left out, such as a video or a maker's notes")


def strip_segments(data: bytes) -> bytes:
    """The file with only the segments that decoding takes: junk in the others makes Pillow refuse the photo."""
    pieces, kept_to = list[bytes](), 0
    for start, marker, body in segments(data):
        is_application = _APP0 <= marker <= _APP15 or marker == _COM
        if is_application and not (marker in (_APP0, _APP14) and len(body) >= _SHORTEST_HEADER):
            pieces.append(data[kept_to:start])
            kept_to = start + 4 + len(body)
    return b"".join([*pieces, data[kept_to:]])


def exif_segment(record: bytes) -> bytes:
    """A segment with an EXIF record of at most `LARGEST_EXIF` bytes."""
    return _segment(_APP1, _EXIF + record)


def xmp_segments(packet: bytes, extension: bytes | None) -> bytes:
    """A segment with a packet of at most `LARGEST_XMP` bytes, then those with its extension."""
    segments = [_segment(_APP1, _XMP + packet)]
    if extension is not None:
        name = checksum(extension).encode()
        step = LARGEST_SEGMENT - _EXTENDED_HEADER
        for start in range(0, len(extension), step):
            header = _EXTENDED + name + struct.pack(">II", len(extension), start)
            segments.append(_segment(_APP1, header + extension[start : start + step]))
    return b"".join(segments)


def iptc_segments(iptc: bytes) -> bytes:
    """As many Photoshop segments as an IPTC record takes."""
    block, step = photoshop_block(iptc), LARGEST_SEGMENT - len(_PHOTOSHOP)
    starts = range(0, len(block), step)
    return b"".join(_segment(_APP13, _PHOTOSHOP + block[start : start + step]) for start in starts)


def is_jpeg_comment(text: Text) -> bool:
    """True if a text is a comment that a segment holds."""
    return text.keyword == COMMENT and len(as_bytes(text)) <= LARGEST_SEGMENT


def comment_segment(text: Text) -> bytes:
    """A segment with a comment of at most `LARGEST_SEGMENT` bytes."""
    return _segment(_COM, as_bytes(text))


def with_density(jpeg: bytes, resolution: Resolution, warn: Warn) -> bytes:
    """A JPEG file that begins with JFIF's segment, with that resolution in it."""
    density = to_jfif(resolution)
    if density is None or jpeg[6:11] != _JFIF:
        warn(f"a resolution of {float(resolution.x):g} has no place in JPEG's header; EXIF keeps it")
        return jpeg
    return jpeg[:_JFIF_DENSITY] + struct.pack(">BHH", *density) + jpeg[_JFIF_DENSITY + 5 :]


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Start, marker and content of every segment before the pixels, as far as they follow the format's rules."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in (_SOS, _EOI):
            return
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker in _WITHOUT_LENGTH:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if length < 2 or at + 2 + length > len(data):
            return
        yield at, marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def _sort(marker: int, body: bytes, pieces: _Pieces) -> None:
    if marker == _APP1 and body.startswith(_EXIF):
        record = body[len(_EXIF) :]
        if not pieces.exif or record[:4] not in (b"II*\0", b"MM\0*"):  # a record that goes on, not a second one
            pieces.exif += record
    elif marker == _APP1 and body.startswith(_XMP) and pieces.xmp is None:
        pieces.xmp = body[len(_XMP) :]
    elif marker == _APP1 and body.startswith(_EXTENDED) and len(body) > _EXTENDED_HEADER:
        name, (start,) = body[len(_EXTENDED) : len(_EXTENDED) + 32], struct.unpack_from(">I", body, len(_EXTENDED) + 36)
        pieces.extensions.setdefault(name, {})[start] = body[_EXTENDED_HEADER:]
    elif marker == _APP13 and body.startswith(_PHOTOSHOP):
        pieces.photoshop += body[len(_PHOTOSHOP) :]
    elif marker == _APP2 and body.startswith(_ICC) and len(body) > len(_ICC) + 2:
        pieces.icc[body[len(_ICC)]] = body[len(_ICC) + 2 :]
        pieces.icc_count = body[len(_ICC) + 1]
    elif marker == _APP2 and body.startswith(_PICTURES):
        pieces.has_pictures = True
    elif marker == _APP11 and body.startswith(b"JP"):
        pieces.has_credentials = True
    elif _APP0 <= marker <= _APP15 and not body.startswith(_OF_THE_FILE):
        name = "".join(chr(byte) for byte in body[:40].partition(b"\0")[0] if 32 <= byte < 127)
        pieces.unknown_segments.append(f"APP{marker - _APP0} {name}".strip())


def _whole_xmp(pieces: _Pieces, warn: Warn) -> bytes | None:
    name = extension_name(pieces.xmp) if pieces.xmp else None
    parts = pieces.extensions.pop(name.encode("ascii", "replace"), None) if name else None
    if pieces.extensions:
        warn("an extended XMP packet that the XMP packet does not name is left out")
    if pieces.xmp is None or name is None:
        return pieces.xmp
    extension = b"".join(parts[start] for start in sorted(parts)) if parts else b""
    if checksum(extension) != name.upper():
        warn(f"the extended XMP packet is left out: {'its checksum differs' if extension else 'it is not there'}")
        return pieces.xmp
    return join_extended(pieces.xmp, extension, warn)
