"""The lines of a text manifest, one after the other: UTF-8, of bounded length, without what text cannot hold."""

import codecs
import io
import os
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.pieces import COMPRESSIONS, ManifestPiece

LONGEST_LINE = 16 << 20
"""Bytes; a file without line ends must not be held in memory."""

_BUFFER = 1 << 20
# In this order: a mark of UTF-32 begins like one of UTF-16.
_OTHER_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def text_lines(file: BinaryIO, piece: ManifestPiece) -> Iterator[str]:
    """The lines with their ends as they are; a compressed file is unpacked, a byte order mark of UTF-8 taken off.

    Lines end in LF, or CR and LF. A CR alone ends none.

    Raises:
        ManifestError: naming the line that is not such text.
    """
    readline = _unpacked(file, piece.uri).readline
    number = 0
    while data := readline(LONGEST_LINE):
        number += 1
        if number == 1:
            data = _without_mark(data, piece)
        if data.startswith(codecs.BOM_UTF8):
            raise ManifestError(f"{piece}, line {number}: a byte order mark that is not the file's first; remove it")
        if b"\0" in data or (len(data) == LONGEST_LINE and not data.endswith(b"\n")):
            raise _not_text(data, number, piece)
        try:
            yield data.decode()
        except UnicodeDecodeError as error:
            raise ManifestError(
                f"{piece}, line {number}: not UTF-8 (byte 0x{data[error.start]:02x}); convert the file, "
                f"for example from Windows' encoding: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW_FILE"
            ) from None


def _without_mark(first_line: bytes, piece: ManifestPiece) -> bytes:
    for mark, encoding in _OTHER_MARKS:
        if first_line.startswith(mark):
            raise ManifestError(
                f"{piece}, line 1: the file is {encoding}, not UTF-8; convert it: "
                f"iconv -f {encoding} -t UTF-8 FILE > NEW_FILE"
            )
    return first_line.removeprefix(codecs.BOM_UTF8)


def _not_text(data: bytes, number: int, piece: ManifestPiece) -> ManifestError:
    if b"\0" in data:
        encoding = "UTF-16LE" if data.index(b"\0") % 2 else "UTF-16BE"
        return ManifestError(
            f"{piece}, line {number}: a NUL byte; the file is damaged, or UTF-16 without its mark "
            f"(then convert it: iconv -f {encoding} -t UTF-8 FILE > NEW_FILE)"
        )
    return ManifestError(
        f"{piece}, line {number}: longer than {LONGEST_LINE >> 20} MiB; end every row with a line end"
        + (" (the file has CR alone: tr '\\r' '\\n' < FILE > NEW_FILE)" if b"\r" in data else "")
    )


def _unpacked(file: BinaryIO, uri: str) -> io.BufferedReader:
    codec = COMPRESSIONS.get(os.path.splitext(uri)[1].lower())
    source = pa.CompressedInputStream(pa.PythonFile(file, "r"), codec) if codec else file
    return io.BufferedReader(source, _BUFFER)  # type: ignore[arg-type]
