"""JSONL manifests: one JSON object a line, nothing in it read as something else than it says."""

import json
import math
import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa

from pasd_batch.manifests.errors import ManifestError
from pasd_batch.manifests.header import check_names
from pasd_batch.manifests.pieces import ManifestPiece
from pasd_batch.manifests.text import text_lines

_BATCH_ROWS = 20_000
_DIGIT_ABOVE_0 = re.compile("[1-9]")

NumberedRow = tuple[int, dict[str, Any]]
"""The line from 1, and the object that it holds."""


def read_jsonl(file: BinaryIO, piece: ManifestPiece) -> Iterator[pa.Table]:
    """Tables with the columns of their rows; what a row does not name is null there.

    Raises:
        ManifestError: naming the line.
    """
    rows = _rows(file, piece)
    first = True
    while batch := list(islice(rows, _BATCH_ROWS)):
        names = list(dict.fromkeys(name for _, row in batch for name in row))
        check_names(names, piece)
        yield pa.table({name: _column(name, batch, piece) for name in names})
        first = False
    if first:
        raise ManifestError(f"{piece}: the file is empty; write one JSON object per photo and line")


def _rows(file: BinaryIO, piece: ManifestPiece) -> Iterator[NumberedRow]:
    for number, line in enumerate(text_lines(file, piece), start=1):
        if line.isspace():
            continue
        try:
            row = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            told = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise _refused(piece, number, line, f"not JSON ({told})") from None
        if not isinstance(row, dict):
            raise _refused(piece, number, line, f"{type(row).__name__} where a JSON object is needed")
        yield number, row


def _refused(piece: ManifestPiece, number: int, line: str, told: str) -> ManifestError:
    array = " (one JSON array is made into lines by: jq -c '.[]' FILE > NEW_FILE)" if line.startswith("[") else ""
    return ManifestError(f"{piece}, line {number}: {told}; write one object per photo and line{array}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return row


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON number, but null is")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large for a number of 64 bits, but not for text")
    if number == 0 and _DIGIT_ABOVE_0.search(re.split("[eE]", text)[0]):
        raise ValueError(f"{text} is too small for a number of 64 bits, but not for text")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite)


def _column(name: str, batch: list[NumberedRow], piece: ManifestPiece) -> pa.Array:
    values = [row.get(name) for _, row in batch]
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        told = f"mixes types ({error}); give it one type throughout"
    except (OverflowError, UnicodeError, pa.ArrowException) as error:
        told = f"holds what Arrow cannot ({error}); write such values as plain text"
    culprit = bisect_left(range(1, len(values)), True, key=lambda count: not _is_column(values[:count]))
    raise ManifestError(f"{piece}, line {batch[culprit][0]}: column {name!r} {told}")


def _is_column(values: list[Any]) -> bool:
    try:
        pa.array(values)
    except (OverflowError, UnicodeError, pa.ArrowException):
        return False
    return True
