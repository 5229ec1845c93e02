"""CSV manifests: read by Python's csv module in its strict mode, the rows counted a second time by their quotes.

In CSV as RFC 4180 has it a line end belongs to a value if an odd number of quotes of its row stand before it, and
ends the row otherwise. That is told without reading values. Where the two ways differ, rows would be lost or merged.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

import csv
import os
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.header import check_names
from pasd_batch.manifests.listing import is_image
from pasd_batch.manifests.pieces import COMPRESSIONS, ManifestPiece
from pasd_batch.manifests.text import LONGEST_LINE, text_lines

_BATCH_ROWS = 20_000
_BATCH_CHARACTERS = 32 << 20
_DIGITS = re.compile(r"\d+")
_OTHER_DELIMITERS = {";": "save it with commas", "|": "save it with commas", "\t": "name it .tsv", ",": "name it .csv"}
_REMEDY = "put values that hold quotes, delimiters or line ends in quotes, and write quotes within them twice"


class _Lines:
    """Lines on their way to the csv module, and where rows begin according to the quotes alone."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.number = 0
        """Of the last line, from 1."""
        self.rows = 0
        """Rows that have begun."""
        self.row_start = 0
        """Line in which the last of them begins."""
        self.inside = False
        """True if a quote is open behind the last line."""
        self.quoted: list[str] = []
        """The lines of the last row if it has quotes."""
        self.characters = 0

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self._lines, start=1):
            self.number = number
            if not self.inside:
                if line.isspace() and not line.strip("\r\n"):
                    continue  # an empty line: no row for any reader
                self.rows += 1
                self.row_start = self.number
                self.quoted = []
            if '"' in line or self.inside:
                self.quoted.append(line)
                self.inside ^= bool(line.count('"') % 2)
            self.characters += len(line)
            yield line


def read_csv(file: BinaryIO, piece: ManifestPiece) -> Iterator[pa.Table]:
    """Tables of strings, as CSV has no types; an empty field is null. The first has no rows.

    Raises:
        ManifestError: naming the line.
    """
    lines = _Lines(text_lines(file, piece))
    rows = _checked_rows(lines, "\t" if _is_tsv(piece.uri) else ",", piece)
    names = next(rows, [])
    if any("\n" in name for name in names):
        told = "a column name goes over several lines, which may be rows"
        raise _refused(piece, lines, told, "close its quote in its own line")
    check_names(names, piece)
    _refuse_other_delimiter(names, piece)
    yield _table(names, [])
    batch: list[list[str]] = []
    for row in rows:
        if row == names:
            raise _refused(piece, lines, "the column names again", "are these two files in one? Leave this line out")
        batch.append(row)
        if len(batch) == _BATCH_ROWS or lines.characters > _BATCH_CHARACTERS:
            yield _table(names, batch)
            batch, lines.characters = [], 0
    if batch:
        yield _table(names, batch)


def _checked_rows(lines: _Lines, delimiter: str, piece: ManifestPiece) -> Iterator[list[str]]:
    csv.field_size_limit(LONGEST_LINE)
    count, width = 0, 0
    try:
        for row in csv.reader(iter(lines), delimiter=delimiter, strict=True):
            count += 1
            width = width or len(row)
            if lines.inside or lines.rows != count:
                raise _refused(piece, lines, "a quote in the middle of a value", _REMEDY)
            if len(row) != width:
                told = f"{len(row)} value(s) where the first line has {width}"
                raise _refused(piece, lines, told, "give every row as many as there are columns")
            if lines.quoted:
                _check_quoted(row, delimiter, lines, piece)
            yield row
    except csv.Error as error:
        raise _refused(piece, lines, *_explained(error)) from None


def _refuse_other_delimiter(names: list[str], piece: ManifestPiece) -> None:
    if len(names) == 1:
        for delimiter, remedy in _OTHER_DELIMITERS.items():
            if delimiter in names[0]:
                told = f"{names[0]!r} is one column name, as {delimiter!r} separates none in this file"
                raise ManifestError(f"{piece}, line 1: {told}; {remedy}")


def _explained(error: csv.Error) -> tuple[str, str]:
    """Message in plain words, and what to do."""
    told = str(error)
    if "unexpected end of data" in told or "field larger" in told:
        return "a quote is opened here and never closed", f"close it, or remove it; {_REMEDY}"
    if "new-line character" in told:
        return "a CR without LF outside of quotes", "convert line ends: tr '\\r' '\\n' < FILE > NEW_FILE"
    return f"text behind a closing quote ({told})", f"is a quote before it not closed? {_REMEDY}"


def _check_quoted(row: list[str], delimiter: str, lines: _Lines, piece: ManifestPiece) -> None:
    """Refuse quotes in values that are not in quotes themselves, and values that have swallowed rows."""
    text = "".join(lines.quoted)
    for place, value in enumerate(row):
        if '"' in value and '"{}"'.format(value.replace('"', '""')) not in text:
            raise _refused(piece, lines, "a quote in the middle of a value", _REMEDY)
        if "\n" in value and _holds_rows(row, place, delimiter):
            raise _refused(
                piece,
                lines,
                "a value in quotes goes over several lines that look like rows",
                "is its quote closed too late? If it is right as it is, write the manifest as JSONL or Parquet",
            )


def _holds_rows(row: list[str], place: int, delimiter: str) -> bool:
    """True if the value at `place` is the end of one row, perhaps rows, and the beginning of another one.

    A quote that is closed rows too late is closed in the column in which it was opened, as the row would have more or
    less values otherwise. The lines between are rows then, told by photos, or other names and numbers of one kind,
    that stand below each other.
    """
    first, *between, last = (line.split(delimiter) for line in re.split(r"\r?\n", row[place]))
    behind = len(row) - place - 1
    rows = [fields for fields in between if len(fields) >= len(row)]
    if len(first) > behind:
        end = len(first) - behind
        rows.append([*row[:place], delimiter.join(first[:end]), *first[end:]])
    if len(last) > place:
        rows.append([*last[:place], delimiter.join(last[place:]), *row[place + 1 :]])
    return any(_are_alike(column) for column in zip(*rows, strict=False))


def _are_alike(values: Sequence[str]) -> bool:
    """True if two of the values name photos, or differ, and in their digits alone."""
    if sum(is_image(value) or "://" in value for value in values) > 1:
        return True
    kinds = [_DIGITS.sub("0", value) for value in set(values)]
    numbered = [kind for kind in kinds if "0" in kind and any(map(str.isalpha, kind))]
    return len(set(numbered)) < len(numbered)


def _refused(piece: ManifestPiece, lines: _Lines, what: str, remedy: str) -> ManifestError:
    start, stop = max(1, lines.row_start), lines.number
    where = f"line {start}" if stop <= start else f"lines {start} to {stop}"
    return ManifestError(f"{piece}, {where}: {what}; {remedy}")


def _table(names: list[str], rows: list[list[str]]) -> pa.Table:
    values = zip(*rows, strict=True) if rows else [[] for _ in names]
    columns = [pa.array(column, pa.string()) for column in values]
    empty = pa.scalar(None, pa.string())
    return pa.table([pc.if_else(pc.equal(column, ""), empty, column) for column in columns], names=names)


def _is_tsv(uri: str) -> bool:
    stem, suffix = os.path.splitext(uri.lower())
    return (os.path.splitext(stem)[1] if suffix in COMPRESSIONS else suffix) == ".tsv"
