"""The page's table of all photos: rows as JSON, within the page or in files of data beside it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pasd_batch.records import Status
from pasd_batch.report.own_settings import OWN_SETTINGS
from pasd_batch.report.photo_names import photo_name

ROWS_A_FILE = 10_000
"""Photos that a page's table holds at once."""

MOST_BYTES = 2_500_000
"""Size of the rows within the page; more go into files beside it."""

COLUMNS = ("photo", "status", "issues", "cause", "message", "size", "result size", "tiles", "seconds", "warnings")
"""Columns of a row before its scores; the table shows the scores behind the status, and no column without content."""

HIDDEN = (
    "photo_id",
    "uri",
    "reference_uri",
    "color_reference_uri",
    "mask_uri",
    "prompt",
    "page",
    "output_path",
    OWN_SETTINGS,
)
"""Columns behind the scores, which only exports of a selection have."""


@dataclass
class RowsData:
    """Rows that are added one after the other; `write` stores a file of data and is given its number and text.

    Scores are in the order of `score_names`, which the first table with scores settles.
    """

    write: Callable[[int, str], None]
    score_names: list[str] = field(default_factory=list)
    filled: set[str] = field(default_factory=set)
    """Columns and scores that have content in any row."""
    files: int = 0
    _flushed: int = 0
    _waiting: list[list[Any]] = field(default_factory=list)
    _nbytes: int = 0

    def add(self, table: pa.Table) -> None:
        """Take in some rows of the run."""
        for name in table.schema.field("scores").type if "scores" in table.column_names else ():
            if name.name not in self.score_names:
                self.score_names.append(name.name)
        for row in table.to_pylist():
            values = _values(row, self.score_names)
            told = [*zip(COLUMNS, values, strict=False), *zip(self.score_names, values[len(COLUMNS)], strict=True)]
            self.filled.update(name for name, value in told if value not in (None, ""))
            self._waiting.append(values)
            self._nbytes += len(json.dumps(values))
            if len(self._waiting) > ROWS_A_FILE or self._nbytes > MOST_BYTES:
                self._waiting.pop()
                self._flush()
                self._waiting, self._nbytes = [values], len(json.dumps(values))

    def within_page(self) -> list[list[Any]]:
        """All rows, if none went into a file; else none, and the last ones are in a file, too."""
        if not self.files:
            return self._waiting
        if self._waiting:
            self._flush()
        return []

    def _flush(self) -> None:
        # A page that was opened as a file may load scripts from beside it, but no data.
        self.write(self.files, f"pasdRows({self.files}, {self._flushed}, {script_json(self._waiting)});\n")
        self.files += 1
        self._flushed += len(self._waiting)
        self._waiting = []


def script_json(value: Any) -> str:
    """JSON that can stand in a script element: whatever it holds cannot end the element, nor the line."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "backslashreplace").decode()  # lone surrogates of damaged names


def _values(row: Mapping[str, Any], score_names: list[str]) -> list[Any]:
    failed = row["status"] != Status.OK
    scores = row.get("scores") or {}
    seconds = sum(taken for taken in (row["seconds"] or {}).values() if taken)
    return [
        photo_name(row["photo_id"], row["uri"], row.get("page")),
        row["status"],
        ", ".join(row.get("issues") or ()),
        f"{row['error_stage']}: {row['error_type']}" if failed else "",
        row["error_message"] or "",
        _size(row["input_width"], row["input_height"]),
        _size(row["output_width"], row["output_height"]),
        row["tiles"],
        round(seconds, 3),
        "; ".join(row["warnings"] or ()),
        [_rounded(scores.get(name)) for name in score_names],
        *(row.get(name) for name in HIDDEN),
    ]


def _size(width: int | None, height: int | None) -> str:
    return "" if width is None or height is None else f"{width} x {height}"


def _rounded(value: float | None) -> float | None:
    return None if value is None or value != value else float(f"{value:.5g}")
