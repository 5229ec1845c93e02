"""Rows of a run as comparisons need them: scores as arrays, photos by their places."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pasd_batch.records import SCORE_METADATA_KEY, ScoreColumn, Status
from pasd_batch.records.joining import joined
from pasd_batch.report.photo_names import photo_name
from pasd_batch.runs.run_folder import RunFolder

_COLUMNS = ("photo_id", "uri", "status", "shard", "input_sha256", "output_sha256", "output_width", "scores")
_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class RunScores:
    """A run's committed rows, in the plan's order; arrays have the shape (photos,).

    Of a million photos with ten scores they are some 250 MiB.
    """

    ids: pa.Array
    uris: pa.Array
    shards: np.ndarray
    restored: np.ndarray
    """True for photos that did not fail."""
    inputs: np.ndarray
    """A number for the bytes of each photo as fetched, and for those of its result; -1 where there are none."""
    outputs: np.ndarray
    widths: np.ndarray
    """Widths of the results in pixels, -1 where there are none."""
    values: dict[str, np.ndarray]
    """Scores by name; NaN where there is none."""
    columns: dict[str, ScoreColumn]

    @property
    def photos(self) -> int:
        """Rows that there are."""
        return len(self.ids)

    @property
    def failed(self) -> int:
        """Photos that failed."""
        return int((~self.restored).sum())

    def name(self, row: int) -> str:
        """A photo's name in reports."""
        return photo_name(self.ids[row].as_py(), self.uris[row].as_py())

    def place(self, row: int) -> tuple[int, int]:
        """The shard of a row, and its place among the shard's rows."""
        return int(self.shards[row]), int(row - np.searchsorted(self.shards, self.shards[row]))


@dataclass
class _Gathered:
    tables: list[pa.Table] = field(default_factory=list)
    numbers: dict[str, list[np.ndarray]] = field(default_factory=dict)
    scores: dict[str, list[tuple[int, np.ndarray]]] = field(default_factory=dict)
    columns: dict[str, ScoreColumn] = field(default_factory=dict)
    photos: int = 0

    def add(self, table: pa.Table) -> None:
        meanings = json.loads((table.schema.metadata or {}).get(SCORE_METADATA_KEY, b"{}"))
        for name, values in _scores(table):
            self.columns.setdefault(name, ScoreColumn(name, **meanings[name]))
            self.scores.setdefault(name, []).append((self.photos, values))
        self.tables.append(table.select(["photo_id", "uri"]).replace_schema_metadata(None))
        for name, values in _numbers(table):
            self.numbers.setdefault(name, []).append(values)
        self.photos += table.num_rows

    def joined(self, name: str) -> np.ndarray:
        return np.concatenate(self.numbers.get(name, [np.empty(0, np.int64)]))

    def values(self, name: str) -> np.ndarray:
        every = np.full(self.photos, np.nan)
        for start, values in self.scores[name]:
            every[start : start + len(values)] = values
        return every


def read_scores(run: RunFolder) -> RunScores:
    """All that the run has committed so far.

    Raises:
        StorageError: it cannot be read.
    """
    gathered = _Gathered()
    for table in joined(run.rows(_COLUMNS), _ROWS_AT_ONCE):
        gathered.add(table)
    names = pa.concat_tables(gathered.tables) if gathered.tables else _NO_NAMES
    return RunScores(
        ids=names["photo_id"].combine_chunks(),
        uris=names["uri"].combine_chunks(),
        shards=gathered.joined("shard"),
        restored=gathered.joined("restored").astype(bool),
        inputs=gathered.joined("input_sha256"),
        outputs=gathered.joined("output_sha256"),
        widths=gathered.joined("output_width"),
        values={name: gathered.values(name) for name in gathered.scores},
        columns=gathered.columns,
    )


_NO_NAMES = pa.table({"photo_id": pa.array([], pa.string()), "uri": pa.array([], pa.string())})


def _numbers(table: pa.Table) -> Iterator[tuple[str, np.ndarray]]:
    yield "shard", table["shard"].to_numpy().astype(np.int64)
    yield "restored", np.array([status == Status.OK for status in table["status"].to_pylist()], np.int64)
    for name in ("input_sha256", "output_sha256"):
        yield name, _hashes(table[name].to_pylist())
    yield "output_width", table["output_width"].fill_null(-1).to_numpy().astype(np.int64)


def _hashes(texts: Sequence[str | None]) -> np.ndarray:
    """The first 60 bits of each hash."""
    return np.array([-1 if text is None else int(text[:15], 16) for text in texts], np.int64)


def _scores(table: pa.Table) -> Iterator[tuple[str, np.ndarray]]:
    if "scores" in table.column_names:
        scores = table.select(["scores"]).flatten()
        for name in scores.column_names:
            yield name.removeprefix("scores."), scores[name].to_numpy().astype(np.float64)
