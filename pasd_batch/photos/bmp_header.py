"""Headers of BMP files of version 5, with an ICC profile (BITMAPV5HEADER of the Windows GDI)."""

import struct

_FILE_HEADER, _VERSION_5, _COLOR_SPACE, _PROFILE = 14, 124, 56, 112
_EMBEDDED = b"DEBM"  # PROFILE_EMBEDDED, a little-endian number


def profile_of_bmp(data: bytes) -> bytes | None:
    """The ICC profile; None where the file has none of its own, or one that lies outside of it."""
    header = data[_FILE_HEADER : _FILE_HEADER + _VERSION_5]
    if len(header) < _VERSION_5 or int.from_bytes(header[:4], "little") < _VERSION_5:
        return None
    if header[_COLOR_SPACE : _COLOR_SPACE + 4] != _EMBEDDED:
        return None
    start, size = struct.unpack_from("<II", header, _PROFILE)
    return data[_FILE_HEADER + start : _FILE_HEADER + start + size] or None
