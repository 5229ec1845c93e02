"""A JPEG file's scans, by its markers: where its photo ends, and whether it is all there if the end marker is not.

ITU-T T.81, annexes B (markers) and G (progressive scans).
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_END, _START_OF_SCAN = 0xD9, 0xDA
_JPEG_LS = 0xF7  # ITU-T T.87, annex C
_FRAMES = frozenset({*range(0xC0, 0xD0), _JPEG_LS}) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE_FRAMES = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_COEFFICIENTS = 64
_NOT_SENT = 16  # more low bits than any coefficient has
_PADDING = b"\0\xff\r\n "
# In coded data FF is followed by 0 (in JPEG-LS by less than 80), and restarts (D0 to D7) stand where they want.
_MARKER = re.compile(rb"\xff+([\xc0-\xcf\xd8-\xfe])")


@dataclass(frozen=True)
class Frame:
    """Frame header of a JPEG (T.81, B.2.2)."""

    bits: int
    height: int
    width: int
    components: int
    is_jpeg_ls: bool


def frame(data: bytes) -> Frame | None:
    """The photo's frame header; None if it has none that is whole."""
    for marker, content, _ in _segments(data):
        if marker in _FRAMES and len(content) >= 6:
            return Frame(*struct.unpack_from(">BHHB", content), is_jpeg_ls=marker == _JPEG_LS)
    return None


def has_end_marker(data: bytes) -> bool:
    """True if the photo's own end marker is there (those of previews inside do not count)."""
    return any(marker == _END for marker, _, _ in _segments(data))


def after_end(data: bytes) -> bytes:
    """Bytes that follow the photo's end marker, but for padding; nothing where that marker is not there."""
    end = next((end for marker, _, end in _segments(data) if marker == _END), len(data))
    return data[end:] if data[end:].strip(_PADDING) else b""


def has_all_scans(data: bytes) -> bool:
    """True if scans for each component, and all bits of each of its coefficients, have begun."""
    is_progressive, missing_bits = False, dict[int, list[int]]()
    for marker, content, _ in _segments(data):
        if marker in _FRAMES and len(content) >= 6:
            is_progressive = marker in _PROGRESSIVE_FRAMES
            missing_bits = {component: [_NOT_SENT] * _COEFFICIENTS for component in content[6 : 6 + 3 * content[5] : 3]}
        elif marker == _START_OF_SCAN and content:
            components = content[1 : 1 + 2 * content[0] : 2]
            first, last, bits = _spectrum(content) if is_progressive else (0, _COEFFICIENTS - 1, 0)
            for component in components:
                if component in missing_bits:
                    missing_bits[component][first : last + 1] = [bits] * (last + 1 - first)
    return bool(missing_bits) and all(bits == 0 for component in missing_bits.values() for bits in component)


def _spectrum(scan: bytes) -> tuple[int, int, int]:
    """First and last coefficient of a progressive scan, and how many of their low bits it leaves to later ones."""
    first, last, approximation = scan[-3:]
    return first, min(last, _COEFFICIENTS - 1), approximation & 15


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Markers with their contents and ends, from the first to the end marker, or to where the file ends."""
    position = 2
    while (found := _MARKER.search(data, position)) is not None:
        marker, start = found[1][0], found.end()
        if marker == _END:
            yield marker, b"", start
            return
        length = int.from_bytes(data[start : start + 2], "big")
        if length < 2 or start + length > len(data):
            return
        yield marker, data[start + 2 : start + length], start + length
        position = start + length
