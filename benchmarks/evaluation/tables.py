"""Markdown tables of means with their intervals."""

from collections.abc import Mapping, Sequence

from evaluation.intervals import Interval, bootstrap
from evaluation.measuring import Measurement
from evaluation.metrics import METRICS, SECONDS, MetricColumn
from pasd_batch.metrics.periodic_pattern import GRID_BOUND

NOTE = (
    "Means over the photos, in brackets their bootstrap 95% interval; the best mean is bold. Grid: how much "
    f"repeats every 8 pixels, against the clean photo; it shall be at most {GRID_BOUND}, more is marked 'above'."
)
DIFFERENCE_NOTE = (
    "Differences photo by photo, in brackets the bootstrap 95% interval of their mean: better or worse where it leaves "
    "out zero."
)


def columns_of(measurements: Sequence[Measurement]) -> list[MetricColumn]:
    """The metrics that were measured, in the tables' order, and the seconds."""
    return [METRICS[name] for name in METRICS if name in measurements[0].scores] + [SECONDS]


def values_of(measurements: Sequence[Measurement], column: MetricColumn) -> dict[str, dict[str, float]]:
    """Values by method, then by photo; where a metric did not apply a photo is left out."""
    values: dict[str, dict[str, float]] = {}
    for measurement in measurements:
        value = measurement.seconds if column is SECONDS else measurement.scores[column.name]
        photos = values.setdefault(measurement.method, {})
        if value is not None:
            photos[measurement.sample.photo] = value
    return values


def means(measurements: Sequence[Measurement]) -> dict[str, dict[str, Interval | None]]:
    """Mean and interval by method, then by metric; None where no photo has a value."""
    result: dict[str, dict[str, Interval | None]] = {}
    for column in columns_of(measurements):
        for method, photos in values_of(measurements, column).items():
            found = bootstrap(list(photos.values())) if photos else None
            result.setdefault(method, {})[column.name] = found
    return result


def quality_table(measurements: Sequence[Measurement], *, heading: str = "method") -> str:
    """One row a method, one column a metric, with an arrow for the better direction."""
    columns, summary = columns_of(measurements), means(measurements)
    lines = [_row([heading, *(title(column) for column in columns)]), _row(["---", *["---:"] * len(columns)])]
    for method, intervals in summary.items():
        cells = [_cell(intervals[column.name], column, method, summary) for column in columns]
        lines.append(_row([method, *cells]))
    return "\n".join(lines)


def difference_table(measurements: Sequence[Measurement], *, method: str) -> str:
    """One row for each other method: how `method` differs from it, photo by photo."""
    columns = columns_of(measurements)
    others = [name for name in values_of(measurements, SECONDS) if name != method]
    lines = [_row(["against", *(title(column) for column in columns)]), _row(["---", *["---:"] * len(columns)])]
    for other in others:
        lines.append(_row([other, *(_difference(measurements, column, method, other) for column in columns)]))
    return "\n".join(lines)


def title(column: MetricColumn) -> str:
    """A metric's title with its bound, or with the arrow of its better direction."""
    if column.bound is not None:
        return f"{column.title} ≤ {column.bound}"
    return f"{column.title} {'↑' if column.higher_is_better else '↓'}"


def _cell(
    found: Interval | None, column: MetricColumn, method: str, summary: Mapping[str, Mapping[str, Interval | None]]
) -> str:
    mean, interval = _shown(found, column)
    if found is None:
        return mean
    if column.bound is not None:
        return f"{mean} {interval}{' above' if found.mean > column.bound else ''}"
    return f"**{mean}** {interval}" if len(summary) > 1 and _is_best(method, summary, column) else f"{mean} {interval}"


def _difference(measurements: Sequence[Measurement], column: MetricColumn, method: str, other: str) -> str:
    values = values_of(measurements, column)
    common = [photo for photo in values[method] if photo in values[other]]
    if not common:
        return "none"
    found = bootstrap([values[method][photo] - values[other][photo] for photo in common])
    mean, interval = _shown(found, column, sign="+")
    if found.low <= 0.0 <= found.high:
        return f"{mean} {interval}"
    return f"{mean} {interval} {'better' if (found.mean > 0) == column.higher_is_better else 'worse'}"


def _is_best(method: str, summary: Mapping[str, Mapping[str, Interval | None]], column: MetricColumn) -> bool:
    found = {name: interval.mean for name, row in summary.items() if (interval := row[column.name]) is not None}
    return found[method] == (max if column.higher_is_better else min)(found.values())


def _shown(interval: Interval | None, column: MetricColumn, *, sign: str = "") -> tuple[str, str]:
    if interval is None:
        return "none", ""
    numbers = [f"{value:{sign}.{column.decimals}f}" for value in (interval.mean, interval.low, interval.high)]
    return numbers[0], f"({numbers[1]} to {numbers[2]})"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
