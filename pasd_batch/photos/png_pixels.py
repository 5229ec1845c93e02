"""PNG files without ancillary chunks, for whose faults decoders refuse sound pixels (PNG 3, section 13)."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.photos.decoder_errors import warn_of_damage
from pasd_batch.photos.errors import CorruptPhoto, UnsupportedPhoto, Warn
from pasd_batch.photos.png_chunks import png_chunk

_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
_COLORS = (b"sRGB", b"gAMA", b"cHRM", b"cICP")
_SIGNATURE_SIZE = 8


@dataclass(frozen=True)
class _Chunk:
    name: bytes
    content: bytes
    is_sound: bool
    is_whole: bool


def strip_ancillary_chunks(data: bytes, limits: DecodeLimits, warn: Warn) -> bytes:
    """The PNG file with only the chunks of its pixels and colours, with new checksums.

    Raises:
        CorruptPhoto: its header is damaged; or its pixels are, and `limits.on_damage` is `fail`.
        UnsupportedPhoto: it has a critical chunk that no standard knows.
    """
    kept, damaged, end = [data[:_SIGNATURE_SIZE]], False, False
    for chunk in _chunks(data):
        if chunk.name == b"IEND":
            end = True
            break
        if chunk.name in _PIXELS:
            if chunk.name == b"IHDR" and not chunk.is_sound:
                raise CorruptPhoto("the PNG file's header is damaged (its checksum differs); fetch it again")
            damaged |= chunk.is_whole and not chunk.is_sound
            kept.append(png_chunk(chunk.name, chunk.content))
        elif chunk.name in _COLORS:
            if chunk.is_sound:
                kept.append(png_chunk(chunk.name, chunk.content))
            else:
                warn(f"a {chunk.name.decode()} chunk is damaged and is left out")
        elif chunk.name[:1].isupper() and chunk.is_sound:
            raise UnsupportedPhoto(f"a PNG variant with {chunk.name!r} chunks; save the photo as an ordinary PNG")
    if damaged:
        warn_of_damage("the PNG file is damaged, part of the photo may be wrong (a checksum differs)", limits, warn)
    if not end:
        warn_of_damage("the PNG file lacks its end", limits, warn)
    return b"".join([*kept, png_chunk(b"IEND", b"")])


def png_frame_count(data: bytes) -> int:
    """Number of frames: 1, or an APNG's, plus its default image if that is not a frame."""
    count, is_part = 1, False
    for chunk in _chunks(data):
        match chunk.name:
            case b"acTL" if chunk.is_sound:
                count = max(1, int.from_bytes(chunk.content[:4], "big"))
            case b"fcTL":
                is_part = True
            case b"IDAT" | b"IEND":
                break
            case _:
                pass
    return count if is_part or count == 1 else count + 1


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """All chunks, the last one perhaps truncated."""
    at = _SIGNATURE_SIZE
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        content = data[at + 8 : end]
        is_whole = end + 4 <= len(data)
        is_sound = is_whole and zlib.crc32(content, zlib.crc32(name)) == int.from_bytes(data[end : end + 4], "big")
        yield _Chunk(name, content, is_sound, is_whole)
        at = end + 4
