"""Tables of methods and metrics: means with intervals, and differences photo by photo."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pasd_batch.evaluation.paired import paired_difference
from pasd_batch.evaluation.protocols import TableColumn
from pasd_batch.evaluation.published import PublishedRow
from pasd_batch.evaluation.scores import MethodScores
from pasd_batch.metrics.set_metric import SET_METRICS
from pasd_batch.report.markdown import as_text

NOTE = (
    "Means over the photos, in brackets their 95 % interval (bootstrap over photos); the best mean that was measured "
    "here is bold. FID and KID are values of the whole set."
)
DIFFERENCE_NOTE = (
    "Mean differences photo by photo, in brackets their 95 % interval: better or worse where it leaves out zero."
)
SECONDS = TableColumn("seconds", "s/photo", 1)


class Verdict(StrEnum):
    """Standing of a cell beside others."""

    BEST = "best"
    ABOVE = "above"
    """Above the bound of its column."""
    BETTER = "better"
    WORSE = "worse"
    NONE = ""


@dataclass(frozen=True)
class Cell:
    """A number of a table; None where there is none."""

    value: float | None
    interval: tuple[float, float] | None = None
    verdict: Verdict = Verdict.NONE

    def text(self, column: TableColumn, *, sign: str = "") -> str:
        """The number with its interval, without its verdict."""
        if self.value is None:
            return "–"
        number = f"{self.value:{sign}.{column.decimals}f}"
        if self.interval is None:
            return number
        low, high = (f"{end:{sign}.{column.decimals}f}" for end in self.interval)
        return f"{number} ({low} to {high})"


@dataclass(frozen=True)
class Line:
    """A row of a table."""

    label: str
    cells: tuple[Cell, ...]
    source: str | None = None
    """Publication that it is from; None: it was measured here."""


def measured_lines(
    methods: Sequence[MethodScores], columns: Sequence[TableColumn], higher: Mapping[str, bool]
) -> list[Line]:
    """A line for each method, with the seconds in the last column."""
    best = {column.name: _best(methods, column, higher) for column in columns}
    lines = []
    for method in methods:
        cells = [_cell(method, column, method.mean(column.name) == best[column.name]) for column in columns]
        seconds = Cell(float(np.mean(method.seconds)) if method.seconds else None)
        lines.append(Line(method.method, (*cells, seconds)))
    return lines


def published_lines(rows: Sequence[PublishedRow], columns: Sequence[TableColumn]) -> list[Line]:
    """A line for each published row, with no seconds."""
    return [
        Line(row.method, (*(Cell(row.values.get(column.name)) for column in columns), Cell(None)), row.source)
        for row in rows
    ]


def difference_lines(
    first: MethodScores, others: Sequence[MethodScores], columns: Sequence[TableColumn], higher: Mapping[str, bool]
) -> list[Line]:
    """A line for each other method: how the first one differs from it, photo by photo."""
    return [
        Line(other.method, tuple(_difference(first, other, column.name, higher) for column in columns))
        for other in others
    ]


def to_table(
    heading: str, lines: Sequence[Line], columns: Sequence[TableColumn], higher: Mapping[str, bool], *, sign: str = ""
) -> str:
    """Lines as a Markdown table; `sign` is a format's, such as `+` for differences."""
    titles = [title(column, higher) for column in columns]
    rows = [[heading, *titles], ["---", *["---:"] * len(columns)]]
    for line in lines:
        label = as_text(line.label) + (", published" if line.source else "")
        rows.append([label, *(_marked(*pair, sign) for pair in zip(line.cells, columns, strict=True))])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _marked(cell: Cell, column: TableColumn, sign: str) -> str:
    text = cell.text(column, sign=sign)
    if cell.verdict is Verdict.BEST:
        number, _, interval = text.partition(" ")
        return f"**{number}** {interval}".rstrip()
    return f"{text} {cell.verdict}".rstrip()


def title(column: TableColumn, higher: Mapping[str, bool]) -> str:
    """A column's title with its bound, or with the arrow of its better direction."""
    if column.bound is not None:
        return f"{column.title} ≤ {column.bound}"
    return f"{column.title} {'↑' if is_better_higher(column.name, higher) else '↓'}"


def is_better_higher(metric: str, higher: Mapping[str, bool]) -> bool:
    """True if more of a metric is better; of one that has no value anywhere nobody can tell."""
    return metric not in SET_METRICS and higher.get(metric, metric != "seconds")


def _best(methods: Sequence[MethodScores], column: TableColumn, higher: Mapping[str, bool]) -> float | None:
    found = [value for method in methods if (value := method.mean(column.name)) is not None]
    if column.bound is not None or len(found) < 2:
        return None
    return (max if is_better_higher(column.name, higher) else min)(found)


def _cell(method: MethodScores, column: TableColumn, is_best: bool) -> Cell:
    value = method.mean(column.name)
    above = column.bound is not None and value is not None and value > column.bound
    verdict = Verdict.ABOVE if above else Verdict.BEST if is_best and value is not None else Verdict.NONE
    return Cell(value, method.interval(column.name), verdict)


def _difference(first: MethodScores, other: MethodScores, metric: str, higher: Mapping[str, bool]) -> Cell:
    if metric in SET_METRICS:
        one, two = first.mean(metric), other.mean(metric)
        return Cell(None if one is None or two is None else one - two)
    better_higher = is_better_higher(metric, higher)
    values = [dict(zip(each.photos, each.known(metric), strict=True)) for each in (other, first)]
    common = [name for name in values[0] if name in values[1]]
    pair = [np.array([each[name] for name in common], np.float64) for each in values]
    found = paired_difference(*pair, higher_is_better=better_higher)
    if found is None:
        return Cell(None)
    if not np.isfinite(found.low):
        return Cell(found.mean)
    if found.low <= 0.0 <= found.high:
        return Cell(found.mean, (found.low, found.high))
    verdict = Verdict.BETTER if (found.mean > 0) == better_higher else Verdict.WORSE
    return Cell(found.mean, (found.low, found.high), verdict)


def trend(values: Sequence[float]) -> str:
    """In words, whether values go one way: at every step, or from first to last only."""
    steps = np.diff(values)
    if (steps > 0).all():
        return "rises at every step"
    if (steps < 0).all():
        return "falls at every step"
    if not steps.any():
        return "does not change"
    whole = values[-1] - values[0]
    return f"{'rises' if whole > 0 else 'falls'} by {abs(whole):.3g} in all, but not at every step"
