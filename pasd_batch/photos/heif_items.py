"""Items of HEIC and AVIF files beside their pictures (ISO 23008-12, annex A; ISO 14496-12, section 8.11)."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from pasd_batch.photos.errors import Warn
from pasd_batch.photos.metadata_blocks import MetadataBlocks, exif_directories

_EXIF, _MIME, _XMP_TYPE = b"Exif", b"mime", b"application/rdf+xml"
_TONE_MAP, _AUXILIARY, _ALPHA = b"tmap", b"auxC", (b"alpha", b"auxid:1")
_PARTS = {b"hdrgainmap": "a gain map", b"depth": "a depth map", b"auxid:2": "a depth map", b"matte": "a matte"}
_IN_FILE, _IN_META, _MOVIE = 0, 1, b"moov"


@dataclass(frozen=True)
class _Item:
    number: int
    kind: bytes
    content_type: bytes
    kind_at: int


class _Bytes:
    """A reader of big-endian numbers of any size, one after the other."""

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data, self.at, self._end = data, at, end

    def number(self, size: int) -> int:
        if self.at + size > self._end:
            raise IndexError("a box ends within a number")
        self.at += size
        return int.from_bytes(self.data[self.at - size : self.at], "big")

    def word(self) -> bytes:
        """Bytes before the next zero byte."""
        end = self.data.index(b"\0", self.at, self._end)
        self.at, word = end + 1, self.data[self.at : end]
        return word


def read_heif(data: bytes, warn: Warn) -> MetadataBlocks:
    """The metadata of a HEIC or AVIF file; what cannot be read is left out with a warning."""
    found = MetadataBlocks()
    try:
        boxes = _meta(data)
        places = _places(data, boxes) if boxes else {}
        for item in _items(data, boxes):
            if item.kind not in (_EXIF, _MIME):
                continue
            content = b"".join(data[start:end] for start, end in places.get(item.number, ()))
            if item.kind == _EXIF and found.exif is None:
                start = 4 + int.from_bytes(content[:4], "big")  # to the TIFF header, counted from after this number
                found.exif = exif_directories(content[start:] or content, warn)
            elif item.kind == _MIME and item.content_type == _XMP_TYPE and found.xmp is None:
                found.xmp = content or None
        _warn_of_auxiliary_images(data, boxes, warn)
    except (ValueError, IndexError, struct.error) as error:
        warn(f"the items beside the picture cannot be read and are left out: {error}")
    return found


def _warn_of_auxiliary_images(data: bytes, boxes: dict[bytes, tuple[int, int]], warn: Warn) -> None:
    """Warn of auxiliary images, such as gain maps and depth maps (ISO 23008-12, section 6.5.8)."""
    kinds = [content[4:] for name, content in _properties(data, boxes) if name == _AUXILIARY]
    found = {
        next((part for word, part in _PARTS.items() if word in kind), "an auxiliary picture")
        for kind in kinds
        if not any(word in kind for word in _ALPHA)
    }
    if any(item.kind == _TONE_MAP for item in _items(data, boxes)):
        found.add("a gain map")
    if found:
        warn(f"pictures beside the photo are left out: {', '.join(sorted(found))}")


def warn_of_sequence(data: bytes, warn: Warn) -> None:
    """Warn of an image sequence in a HEIF file (ISO 23008-12, section 7), which is not read."""
    with suppress(ValueError, IndexError, struct.error):
        if any(name == _MOVIE for name, _, _ in _boxes(data, 0, len(data))):
            warn("an image sequence beside the HEIF file's picture is left out")


def hide_exif(data: bytes) -> bytes:
    """The file with its EXIF renamed to what no decoder reads: a junk record makes some refuse the picture."""
    changed = bytearray(data)
    try:
        for item in _items(data, _meta(data)):
            if item.kind == _EXIF:
                changed[item.kind_at : item.kind_at + 4] = b"skip"
    except (ValueError, IndexError, struct.error):
        return data
    return bytes(changed)


def main_properties(data: bytes) -> list[tuple[bytes, bytes]]:
    """Name and content of the main picture's properties (ISO 14496-12, section 8.11.14), in the file's order.

    Those of all pictures where the file does not say which are the main one's; none where it cannot be read.
    """
    try:
        boxes = _meta(data)
        found, number = _properties(data, boxes), _main_item(data, boxes)
        chosen = [index for item, index in _associations(data, boxes) if item == number]
        return [found[index - 1] for index in chosen if 0 < index <= len(found)] or found
    except (ValueError, IndexError, struct.error):
        return []


def stated_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of the main picture as the container says (ISO 23008-12, section 6.5.3)."""
    content = next((content for name, content in main_properties(data) if name == b"ispe"), b"")
    return struct.unpack_from(">II", content, 4) if len(content) >= 12 else None


def clean_aperture(data: bytes, width: int, height: int, warn: Warn) -> tuple[slice, slice] | None:
    """Rows and columns of the main picture, as stored in that size, that are to be shown (ISO 14496-12, 12.1.4.1).

    None if all; a part that is empty or lies outside is ignored with a warning.
    """
    content = next((content for name, content in main_properties(data) if name == b"clap"), None)
    if content is None:
        return None
    try:
        numbers = struct.unpack_from(">IIIIiIiI", content)
        across, down, right, below = (Fraction(*numbers[at : at + 2]) for at in range(0, 8, 2))
    except (struct.error, ZeroDivisionError):
        warn("the part of the photo that is to be shown cannot be read: all of it is taken")
        return None
    left, top = floor(right + (width - across) / 2), floor(below + (height - down) / 2)
    rows, columns = slice(top, top + floor(down)), slice(left, left + floor(across))
    if min(top, left) < 0 or rows.stop > height or columns.stop > width or min(floor(down), floor(across)) < 1:
        warn("the part of the photo that is to be shown lies outside of it: all of it is taken")
        return None
    return rows, columns


def _main_item(data: bytes, boxes: dict[bytes, tuple[int, int]]) -> int:
    start, end = boxes.get(b"pitm", (0, 0))
    return _Bytes(data, start + 4, end).number(2 if data[start] == 0 else 4) if end else 0


def _properties(data: bytes, boxes: dict[bytes, tuple[int, int]]) -> list[tuple[bytes, bytes]]:
    """Name and content of the properties of all pictures."""
    places = {name: place for name, *place in _boxes(data, *boxes.get(b"iprp", (0, 0)))}
    return [(name, data[at:end]) for name, at, end in _boxes(data, *places.get(b"ipco", (0, 0)))]


def _associations(data: bytes, boxes: dict[bytes, tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Properties of the items, counted from 1."""
    places = {name: place for name, *place in _boxes(data, *boxes.get(b"iprp", (0, 0)))}
    if b"ipma" not in places:
        return
    start, end = places[b"ipma"]
    entry, is_wide = _Bytes(data, start + 4, end), bool(data[start + 3] & 1)
    for _ in range(entry.number(4)):
        item = entry.number(2 if data[start] == 0 else 4)
        for _ in range(entry.number(1)):
            yield item, entry.number(2) & 0x7FFF if is_wide else entry.number(1) & 0x7F


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of the boxes between two places."""
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        content = start + 8
        if size == 1 and start + 16 <= end:
            (size,), content = struct.unpack_from(">Q", data, content), content + 8
        stop = end if size == 0 else min(start + size, end)
        if stop < content:
            return
        yield name, content, stop
        start = stop


def _meta(data: bytes) -> dict[bytes, tuple[int, int]]:
    """Positions of the boxes' content in the file's `meta` box."""
    for name, start, end in _boxes(data, 0, len(data)):
        if name == b"meta":
            return {name: (start, end) for name, start, end in _boxes(data, start + 4, end)}
    return {}


def _items(data: bytes, boxes: dict[bytes, tuple[int, int]]) -> Iterator[_Item]:
    if b"iinf" not in boxes:
        return
    start, end = boxes[b"iinf"]
    for name, at, stop in _boxes(data, start + (6 if data[start] == 0 else 8), end):
        if name == b"infe" and data[at] >= 2:
            entry = _Bytes(data, at + 4, stop)
            number = entry.number(2 if data[at] == 2 else 4)
            kind_at = entry.at + 2
            kind = data[kind_at : kind_at + 4]
            entry.at = kind_at + 4
            content_type = (entry.word(), entry.word())[1] if kind == _MIME else b""
            yield _Item(number, kind, content_type, kind_at)


def _places(data: bytes, boxes: dict[bytes, tuple[int, int]]) -> dict[int, list[tuple[int, int]]]:
    """Positions at which the pieces of every item's content begin and end."""
    if b"iloc" not in boxes:
        return {}
    start, end = boxes[b"iloc"]
    version, sizes = data[start], _Bytes(data, start + 4, end)
    widths = sizes.number(2)
    offset_size, length_size, base_size, index_size = (widths >> shift & 15 for shift in (12, 8, 4, 0))
    places: dict[int, list[tuple[int, int]]] = {}
    for _ in range(sizes.number(2 if version < 2 else 4)):
        number = sizes.number(2 if version < 2 else 4)
        method = sizes.number(2) & 15 if version > 0 else _IN_FILE
        sizes.number(2)  # which file: only this one is read
        base = sizes.number(base_size)
        if method == _IN_META:
            base += boxes.get(b"idat", (0, 0))[0]
        places[number] = []
        for _ in range(sizes.number(2)):
            sizes.number(index_size if version > 0 else 0)
            offset, length = base + sizes.number(offset_size), sizes.number(length_size)
            places[number].append((offset, offset + length if length else len(data)))
    return places
