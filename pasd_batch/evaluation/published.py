"""Rows that others have published, from `published.csv`, each with its source."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class PublishedRow:
    """Scores of a method on a test set, as they were printed."""

    test_set: str
    method: str
    values: dict[str, float]
    """By the metrics' names."""

    source: str


@cache
def published_rows() -> tuple[PublishedRow, ...]:
    """All of them, in the file's order."""
    text = files("pasd_batch.evaluation").joinpath("published.csv").read_text(encoding="utf-8")
    rows = []
    for row in csv.DictReader(text.splitlines()):
        test_set, method, source = (row.pop(name) for name in ("set", "method", "source"))
        rows.append(
            PublishedRow(test_set, method, {name: float(value) for name, value in row.items() if value}, source)
        )
    return tuple(rows)
