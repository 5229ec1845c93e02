"""All that the report page shows of a run's rows, gathered in one pass over them."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.records import SCORE_METADATA_KEY, ScoreColumn, Status
from pasd_batch.report.statistics import RunStatistics

DIGEST_COLUMNS = (
    "photo_id",
    "uri",
    "status",
    "error_stage",
    "error_type",
    "error_message",
    "warnings",
    "output_path",
    "input_width",
    "input_height",
    "output_width",
    "output_height",
    "tiles",
    "reference_uri",
    "color_reference_uri",
    "mask_uri",
    "prompt",
    "page",
    "shard",
    "finished_at",
    "seconds",
    "scores",
)
"""Columns of the results that the page needs."""


@dataclass
class RunDigest:
    """Statistics of all rows, and every score as 4 bytes a row; any run of some million photos fits in memory."""

    statistics: RunStatistics = field(default_factory=RunStatistics)
    score_columns: dict[str, ScoreColumn] = field(default_factory=dict)
    scores: "dict[str, array[float]]" = field(default_factory=dict)
    """A value for each row, in the plan's order; NaN where there is none."""
    finished: "array[float]" = field(default_factory=lambda: array("d"))
    """Time at which each row was made, in seconds since 1970."""
    shards: "array[int]" = field(default_factory=lambda: array("l"))
    """Shard of each row."""
    restored: "array[int]" = field(default_factory=lambda: array("b"))
    """1 for each row that did not fail."""

    def add(self, table: pa.Table) -> None:
        """Take in some rows; tables come in the plan's order."""
        if not table.num_rows:
            return
        before = len(self.shards)
        self.statistics.add(table)
        self._add_columns(table, before)
        for name, values in _score_values(table):
            self.scores.setdefault(name, array("f", [np.nan]) * before).frombytes(values.tobytes())
        self.shards.frombytes(table["shard"].to_numpy().astype(np.int64).tobytes())
        finished = table["finished_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
        self.finished.frombytes((finished / 1e6).tobytes())
        done = np.array([status == Status.OK for status in table["status"].to_pylist()], np.int8)
        self.restored.frombytes(done.tobytes())
        self._fill_up()

    @property
    def photos(self) -> int:
        """Rows that were taken in."""
        return len(self.shards)

    def values(self, score: str) -> np.ndarray:
        """A score of all rows, float32 of shape (photos,); NaN where there is none."""
        return np.frombuffer(self.scores[score], np.float32)

    def place(self, row: int) -> tuple[int, int]:
        """The shard of a row, and its place among the shard's rows."""
        shards = np.frombuffer(self.shards, np.int64)
        return int(shards[row]), int(row - np.searchsorted(shards, shards[row]))

    def _add_columns(self, table: pa.Table, before: int) -> None:
        meanings = json.loads((table.schema.metadata or {}).get(SCORE_METADATA_KEY, b"{}"))
        names = [each.name for each in table.schema.field("scores").type] if "scores" in table.column_names else []
        for name in names:
            self.score_columns.setdefault(name, ScoreColumn(name, **meanings[name]))
            self.scores.setdefault(name, array("f", [np.nan]) * before)

    def _fill_up(self) -> None:
        """Scores that a table did not have are unknown for its rows."""
        for values in self.scores.values():
            values.extend([np.nan] * (len(self.shards) - len(values)))


def _score_values(table: pa.Table) -> Iterator[tuple[str, np.ndarray]]:
    if "scores" not in table.column_names:
        return
    scores = table["scores"].combine_chunks()
    for number in range(scores.type.num_fields):
        values = pc.struct_field(scores, number).to_numpy(zero_copy_only=False)
        yield scores.type.field(number).name, values.astype(np.float32)
