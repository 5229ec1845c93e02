"""TIFF directories (IFDs) of EXIF records and TIFF files, in either byte order.

Values are kept as bytes: text encodings and byte order stay, and so does the position of the camera maker's note, whose
offsets count from the record's start (EXIF 3.0, section 4.6.2).
"""

import math
import struct
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from pasd_batch.photos.errors import Warn

CAMERA, GPS, INTEROPERABILITY = 34665, 34853, 40965  # tags that point to directories, which are named by them

MAKER_NOTE, FARTHEST_MAKER_NOTE = 37500, 1 << 15  # one farther off is moved: it was in a TIFF file, not in a record

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8, 129: 1}
_EIGHT_BYTES = (16, 17, 18)  # BigTIFF's own kinds
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_FLOATS = {11: "f", 12: "d"}
_PARENTS = {CAMERA: (None,), GPS: (None,), INTEROPERABILITY: (CAMERA, None)}
_LONGEST_VALUE = 1 << 18
_LARGEST_RECORD = 1 << 26  # a directory's entries may all point to the same bytes


class MalformedDirectory(ValueError):
    """The bytes do not hold the structure."""


@dataclass(frozen=True)
class Value:
    """A tag's value: its kind as TIFF numbers them, its bytes as stored, and where they lay if outside the entry."""

    kind: int
    data: bytes
    offset: int | None = None

    @property
    def count(self) -> int:
        """Numbers or characters."""
        return len(self.data) // _SIZES[self.kind]


Directory = dict[int, Value]


@dataclass(eq=False)
class TiffDirectories:
    """The main directory and those it points to, without what an EXIF record chains after it (the thumbnail)."""

    order: Literal["<", ">"] = ">"
    main: Directory = field(default_factory=dict)
    others: dict[int, Directory] = field(default_factory=dict)
    """By the tag that points to it: CAMERA, GPS, INTEROPERABILITY."""

    def directories(self) -> Iterator[Directory]:
        """Every directory, the main one first."""
        yield self.main
        yield from self.others.values()

    def numbers(self, tag: int, *, directory: int | None = None) -> tuple[int, ...]:
        """The integers under `tag` in the main directory, or the one of that name; none if it has none."""
        value = (self.main if directory is None else self.others.get(directory, {})).get(tag)
        if value is None or value.kind not in _CODES:
            return ()
        return struct.unpack(f"{self.order}{value.count}{_CODES[value.kind]}", value.data)

    def fraction(self, tag: int, *, directory: int | None = None) -> Fraction | None:
        """The first number under `tag`, of any numeric type, as `numbers`; None if there is none, or it is not
        finite."""
        value = (self.main if directory is None else self.others.get(directory, {})).get(tag)
        if value is None or value.count < 1:
            return None
        if value.kind == RATIONAL:
            above, below = struct.unpack_from(f"{self.order}II", value.data)
            return Fraction(above, below) if below else None
        if value.kind in _FLOATS:
            (number,) = struct.unpack_from(f"{self.order}{_FLOATS[value.kind]}", value.data)
            return Fraction(number) if math.isfinite(number) else None
        return next((Fraction(number) for number in self.numbers(tag, directory=directory)), None)

    def integers(self, kind: int, *values: int) -> Value:
        """A value of integers of that kind, in this record's byte order."""
        return Value(kind, struct.pack(f"{self.order}{len(values)}{_CODES[kind]}", *values))

    def rational(self, value: Fraction) -> Value:
        """A value of one unsigned rational, the nearest that 32 bits hold, in this record's byte order."""
        finest = max(1, min(10_000, int(2**32 / max(value, 1)) - 1))
        nearest = min(value, Fraction(2**32 - 1)).limit_denominator(finest)
        return Value(RATIONAL, struct.pack(f"{self.order}II", nearest.numerator, nearest.denominator))

    def to_bytes(self) -> bytes:
        """The record from its header on, without a chained directory."""
        return bytes(_Layout(self).file)


def text_value(text: str) -> Value:
    """A text, ended as TIFF wants it."""
    return Value(ASCII, text.encode("utf-8") + b"\0")


def read_directories(
    data: bytes, warn: Warn, *, start: int | None = None, skipped: Container[int] = (), large: Container[int] = ()
) -> TiffDirectories:
    """The directories of an EXIF record, with or without JPEG's header, or of a TIFF file's first page, BigTIFF too.

    `start` is where another main directory than the first one begins. Tags in `skipped` are left out; those of unknown
    kinds, beyond the data or (but for `large` ones) of more than 256 KiB are left out with a warning.

    Raises:
        MalformedDirectory: the bytes do not begin with a header that points to a directory.
    """
    reader = _Reader(data.removeprefix(b"Exif\0\0"), skipped, large)
    found = TiffDirectories(reader.order)
    found.main = reader.directory(reader.start if start is None else start)
    for tag, parents in _PARENTS.items():
        for parent in parents:
            directory = found.main if parent is None else found.others.get(parent, {})
            pointer = directory.pop(tag, None)
            if pointer is not None and tag not in found.others and (start := reader.pointed(pointer)) is not None:
                found.others[tag] = reader.directory(start)
    if reader.dropped:
        warn(f"malformed or oversized EXIF tags were left out: {', '.join(dict.fromkeys(reader.dropped))}")
    return found


class _Reader:
    def __init__(self, data: bytes, skipped: Container[int], large: Container[int]) -> None:
        self.data, self._skipped, self._large = data, skipped, large
        order = {b"II": "<", b"MM": ">"}.get(data[:2])
        if order is None or len(data) < 8:
            raise MalformedDirectory(f"it begins with {data[:4]!r}, not with a TIFF header")
        self.order: Literal["<", ">"] = "<" if order == "<" else ">"
        (magic,) = struct.unpack_from(f"{order}H", data, 2)
        self._is_big = magic == 43
        if magic not in (42, 43) or (self._is_big and len(data) < 16):
            raise MalformedDirectory(f"it begins with {data[:4]!r}, not with a TIFF header")
        (self.start,) = struct.unpack_from(f"{order}{'8xQ' if self._is_big else '4xI'}", data)
        if not 8 <= self.start < len(data) - 2:
            raise MalformedDirectory(f"its directory is said to begin at byte {self.start} of {len(data)}")
        self._room = _LARGEST_RECORD
        self.dropped: list[str] = []

    def directory(self, start: int) -> Directory:
        """The tags of the directory at `start`; none where it lies outside."""
        count_code, entry_size = ("Q", 20) if self._is_big else ("H", 12)
        first = start + struct.calcsize(f"={count_code}")
        if first > len(self.data):
            self.dropped.append(f"a directory at byte {start}")
            return {}
        (count,) = struct.unpack_from(f"{self.order}{count_code}", self.data, start)
        there = (len(self.data) - first) // entry_size
        if count > there:
            self.dropped.append(f"{count - there} beyond the end")
        found: Directory = {}
        for entry in range(first, first + entry_size * min(count, there), entry_size):
            self._read_entry(entry, found)
        return found

    def pointed(self, pointer: Value) -> int | None:
        """Position of a directory that a tag points to."""
        if pointer.kind not in _CODES or pointer.count < 1:
            return None
        (start,) = struct.unpack_from(f"{self.order}{_CODES[pointer.kind]}", pointer.data)
        return start if start >= 8 else None

    def _read_entry(self, entry: int, found: Directory) -> None:
        code, inline = ("Q", 8) if self._is_big else ("I", 4)
        tag, kind, count = struct.unpack_from(f"{self.order}HH{code}", self.data, entry)
        if tag in self._skipped or tag in found:
            return
        size = count * _SIZES.get(kind, 0)
        start, offset = entry + 4 + struct.calcsize(f"={code}"), None
        if size > inline:
            (start,) = struct.unpack_from(f"{self.order}{code}", self.data, start)
            offset = start
        is_there = size > 0 and start + size <= len(self.data)
        if not is_there or size > self._room or (size > _LONGEST_VALUE and tag not in self._large):
            if count > 0 or kind not in _SIZES:  # an empty value says nothing
                self.dropped.append(str(tag))
            return
        self._room -= size
        value = Value(kind, self.data[start : start + size], offset)
        if kind not in _EIGHT_BYTES:
            found[tag] = value
        elif (short := self._shortened(value)) is not None:
            found[tag] = short
        else:
            self.dropped.append(str(tag))

    def _shortened(self, value: Value) -> Value | None:
        numbers = struct.unpack(f"{self.order}{value.count}{_CODES[value.kind]}", value.data)
        try:
            return Value(LONG, struct.pack(f"{self.order}{value.count}I", *numbers))
        except struct.error:
            return None


class _Layout:
    """A record being written: pieces one after the other, round the maker's block where that keeps its place."""

    def __init__(self, record: TiffDirectories) -> None:
        self._record, self._order = record, record.order
        self.file = bytearray(struct.pack(f"{self._order}2sHI", b"II" if self._order == "<" else b"MM", 42, 0))
        note = record.others.get(CAMERA, {}).get(MAKER_NOTE)
        self._hole = (0, 0)
        if note is not None and note.offset is not None and 8 <= note.offset < FARTHEST_MAKER_NOTE:
            self._hole = (note.offset, note.offset + len(note.data))
        self._end = len(self.file)
        struct.pack_into(f"{self._order}I", self.file, 4, self._add(record.main, None))

    def _add(self, directory: Directory, name: int | None) -> int:
        children = {tag for tag in self._record.others if self._parent(tag) == name}
        tags = sorted({*directory, *children})
        start = self._room(2 + 12 * len(tags) + 4)
        struct.pack_into(f"{self._order}H", self.file, start, len(tags))
        for index, tag in enumerate(tags):
            if tag in children:
                content, kind, count = struct.pack(f"{self._order}I", self._add(self._record.others[tag], tag)), LONG, 1
            else:
                content, kind, count = self._content(tag, directory[tag], name)
            struct.pack_into(f"{self._order}HHI4s", self.file, start + 2 + 12 * index, tag, kind, count, content)
        return start

    def _content(self, tag: int, value: Value, name: int | None) -> tuple[bytes, int, int]:
        if len(value.data) <= 4:
            return value.data, value.kind, value.count
        is_kept_in_place = (name, tag) == (CAMERA, MAKER_NOTE) and self._hole[1] > 0
        at = self._hole[0] if is_kept_in_place else self._room(len(value.data))
        self._reach(at + len(value.data))
        self.file[at : at + len(value.data)] = value.data
        return struct.pack(f"{self._order}I", at), value.kind, value.count

    def _parent(self, tag: int) -> int | None:
        return next(parent for parent in _PARENTS[tag] if parent is None or parent in self._record.others)

    def _room(self, size: int) -> int:
        start = self._end + self._end % 2
        if start < self._hole[1] and start + size > self._hole[0]:
            start = self._hole[1] + self._hole[1] % 2
        self._end = start + size
        self._reach(self._end)
        return start

    def _reach(self, end: int) -> None:
        self.file.extend(bytes(max(0, end - len(self.file))))
