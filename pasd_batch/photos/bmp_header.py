"""Headers of BMP files: bits, and in version 5 an ICC profile (BITMAPV5HEADER of the Windows GDI)."""

import struct

_FILE_HEADER, _VERSION_5, _COLOR_SPACE, _PROFILE = 14, 124, 56, 112
_OLD_HEADER, _OLD_BITS, _BITS = 12, 10, 14
_EMBEDDED = b"DEBM"  # PROFILE_EMBEDDED, a little-endian number


def profile_of_bmp(data: bytes) -> bytes | None:
    """The embedded ICC profile; None if there is none, or a linked one."""
    header = data[_FILE_HEADER : _FILE_HEADER + _VERSION_5]
    if len(header) < _VERSION_5 or int.from_bytes(header[:4], "little") < _VERSION_5:
        return None
    if header[_COLOR_SPACE : _COLOR_SPACE + 4] != _EMBEDDED:
        return None
    start, size = struct.unpack_from("<II", header, _PROFILE)
    return data[_FILE_HEADER + start : _FILE_HEADER + start + size] or None


def bits_of_bmp(data: bytes) -> int:
    """Bits a channel, of a palette those of its numbers; of 16 bits a pixel the 5 that all channels have."""
    start = _FILE_HEADER + (_OLD_BITS if int.from_bytes(data[14:18], "little") == _OLD_HEADER else _BITS)
    return {1: 1, 2: 2, 4: 4, 16: 5}.get(int.from_bytes(data[start : start + 2], "little"), 8)
