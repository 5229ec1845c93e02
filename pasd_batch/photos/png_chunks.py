"""Ancillary chunks of PNG files: reading and writing (PNG 3, section 11.3).

EXIF, IPTC and XMP may also stand as hexadecimal text under ImageMagick's keywords `Raw profile type ...`.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pasd_batch.photos.errors import Warn
from pasd_batch.photos.iptc_record import iptc_record, photoshop_block
from pasd_batch.photos.metadata_blocks import LARGEST_PROFILE, MetadataBlocks, exif_directories
from pasd_batch.photos.resolution import Resolution, from_metres, to_metres
from pasd_batch.photos.texts import MODIFIED, Text

_XMP_KEYWORD, _RAW_PROFILE = "XML:com.adobe.xmp", "Raw profile type "
_XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
_LARGEST_TEXTS = 1 << 26  # all of a file's, unpacked
_SHORT_TEXT = 1024  # PNG recommends to compress longer ones
_CONTENT_OF = (b"iCCP", b"eXIf", b"pHYs", b"tEXt", b"zTXt", b"iTXt", b"tIME", b"caBX")


@dataclass
class _Chunks:
    exif: list[bytes]
    xmp: list[bytes]
    iptc: list[bytes]
    room: int = _LARGEST_TEXTS


def read_png(data: bytes, warn: Warn) -> MetadataBlocks:
    """The metadata of a PNG file; what cannot be read is left out with a warning."""
    found, chunks = MetadataBlocks(), _Chunks([], [], [])
    for name, content in _chunks(data, warn):
        try:
            _read_chunk(name, content, found, chunks, warn)
        except (ValueError, IndexError, struct.error, zlib.error) as error:
            warn(f"a {name.decode()} chunk cannot be read and is left out: {error}")
    for record in chunks.exif:
        found.exif = found.exif or exif_directories(record, warn)
    for record in chunks.iptc:
        found.iptc = found.iptc or iptc_record(record, warn)
    found.xmp = next(iter(chunks.xmp), None)
    return found


def header_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of the chunks before the pixels, whether they are sound or not."""
    at = 8
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"IDAT":
            return
        yield name, data[at + 8 : at + 8 + length]
        at += 12 + length


def png_chunk(name: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def resolution_chunk(resolution: Resolution, warn: Warn) -> bytes:
    """pHYs, rounded to whole pixels per metre; nothing where the resolution is out of its range."""
    metres = to_metres(resolution)
    if metres is None:
        warn(f"a resolution of {float(resolution.x):g} has no place in PNG and is left out")
        return b""
    return png_chunk(b"pHYs", struct.pack(">IIB", *metres))


def text_chunk(text: Text) -> bytes:
    """A text as tEXt where Latin-1 holds it, compressed if it is long, else as iTXt."""
    if text.keyword == MODIFIED:
        time = datetime.fromisoformat(text.text)
        return png_chunk(b"tIME", struct.pack(">H5B", *time.timetuple()[:6]))
    keyword = text.keyword.encode("latin-1")
    try:
        content = text.readable.encode("latin-1")
        if text.language or text.translated_keyword or b"\0" in content:
            raise ValueError
    except ValueError:
        content = text.readable.replace("\0", "\ufffd").encode("utf-8")
        is_long = len(content) > _SHORT_TEXT
        header = keyword + (b"\0\1\0" if is_long else b"\0\0\0") + text.language.encode("ascii", "replace")
        header += b"\0" + text.translated_keyword.encode("utf-8") + b"\0"
        return png_chunk(b"iTXt", header + (zlib.compress(content) if is_long else content))
    if len(content) > _SHORT_TEXT:
        return png_chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(content))
    return png_chunk(b"tEXt", keyword + b"\0" + content)


def xmp_chunk(packet: bytes) -> bytes:
    """XMP's own iTXt."""
    return png_chunk(b"iTXt", _XMP_KEYWORD.encode() + b"\0\0\0\0\0" + packet)


def iptc_chunk(iptc: bytes) -> bytes:
    """An IPTC record as ImageMagick, exiv2 and exiftool write and read it."""
    block = photoshop_block(iptc)
    text = f"\niptc\n{len(block):8}\n{block.hex()}\n".encode()
    return png_chunk(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(text))


def _chunks(data: bytes, warn: Warn) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of the chunks that hold metadata and are whole."""
    at = 8
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"IEND" or at + 12 + length > len(data):
            return
        if name in _CONTENT_OF:
            content = data[at + 8 : at + 8 + length]
            (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
            if checksum == zlib.crc32(name + content):
                yield name, content
            else:
                warn(f"a {name.decode()} chunk is damaged (its checksum differs) and is left out")
        at += 12 + length


def _read_chunk(name: bytes, content: bytes, found: MetadataBlocks, chunks: _Chunks, warn: Warn) -> None:
    match name:
        case b"eXIf":
            chunks.exif.insert(0, content)  # before those in texts
        case b"iCCP":
            found.icc = found.icc or _profile(content)
        case b"pHYs":
            x, y, unit = struct.unpack(">IIB", content)
            found.resolution = from_metres(x, y, is_metre=unit == 1)
        case b"tIME":
            found.texts.append(Text(MODIFIED, datetime(*struct.unpack(">H5B", content)).isoformat()))
        case b"caBX":
            warn("the content credentials (C2PA) are left out: they hold for the file as it was")
        case _:
            text = _text(name, content, chunks)
            if text.keyword == _XMP_KEYWORD:
                chunks.xmp.insert(0, text.text.encode("utf-8"))
            elif text.keyword.startswith(_RAW_PROFILE):
                _sort_profile(text, chunks, warn)
            elif text.text:
                found.texts.append(text)


def _text(name: bytes, content: bytes, chunks: _Chunks) -> Text:
    keyword, _, rest = content.partition(b"\0")
    if not keyword:
        raise ValueError("it has no keyword")
    language = translated = ""
    if name == b"zTXt":
        rest = _unpacked(rest[1:], chunks)
    if name == b"iTXt":
        is_packed, (tag, _, tail) = rest[0] == 1, rest[2:].partition(b"\0")
        named, _, rest = tail.partition(b"\0")
        language, translated = tag.decode("ascii"), named.decode("utf-8")
        rest = _unpacked(rest, chunks) if is_packed else rest
    text = rest.decode("utf-8" if name == b"iTXt" else "latin-1")
    return Text(keyword.decode("latin-1"), text, language, translated)


def _profile(content: bytes) -> bytes:
    name, _, packed = content.partition(b"\0")
    if not name or packed[:1] != b"\0":
        raise ValueError("it has no name, or is packed in an unknown way")
    unpacking = zlib.decompressobj()
    profile = unpacking.decompress(packed[1:], LARGEST_PROFILE)
    if not unpacking.eof:
        raise ValueError(f"the profile ends early, or takes more than {LARGEST_PROFILE:,} bytes")
    return profile


def _unpacked(content: bytes, chunks: _Chunks) -> bytes:
    unpacked = zlib.decompressobj().decompress(content, chunks.room)
    chunks.room -= len(unpacked)
    if chunks.room <= 0:
        raise ValueError(f"the texts take more than {_LARGEST_TEXTS:,} bytes")
    return unpacked


def _sort_profile(text: Text, chunks: _Chunks, warn: Warn) -> None:
    """Put the bytes of a raw profile where they belong: a line with a name, one with a length, then hexadecimal."""
    try:
        data = bytes.fromhex(text.text.lstrip("\n").split("\n", 2)[2])
    except (ValueError, IndexError):
        raise ValueError(f"its raw profile ({text.keyword}) is not hexadecimal") from None
    kind = text.keyword.removeprefix(_RAW_PROFILE).lower()
    if data.startswith(_XMP_HEADER) or kind == "xmp":
        chunks.xmp.append(data.removeprefix(_XMP_HEADER))
    elif kind in ("exif", "app1"):
        chunks.exif.append(data)
    elif kind in ("iptc", "8bim"):
        chunks.iptc.append(data)
    else:
        warn(f"a text with a raw profile of type {kind} is left out")
