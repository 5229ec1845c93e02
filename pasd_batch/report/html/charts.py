"""Geometry of the page's charts, in the units of an SVG's view box; the template draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 600, 200
FEWEST_BINS, MOST_BINS = 8, 40
MOST_POINTS = 2000


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram."""

    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True)
class Histogram:
    """One or two distributions over the same bins.

    `low` and `high` are the ends of the axis, in whose bins lies what is beyond them, too.
    """

    series: tuple[tuple[Bar, ...], ...]
    medians: tuple[float, ...]
    """Position of each distribution's median on the axis."""
    low: float
    high: float

    @property
    def zero(self) -> float | None:
        """Position of 0, where it is on the axis."""
        return _along(0.0, self.low, self.high) if self.low < 0.0 < self.high else None


@dataclass(frozen=True)
class Point:
    """A photo in a scatter; `row` is its number in the plan's order."""

    x: float
    y: float
    row: int
    values: tuple[float, float]


@dataclass(frozen=True)
class Scatter:
    """Photos by two of their scores, with the ends of both axes."""

    points: tuple[Point, ...]
    baseline: tuple[Point, ...]
    """The same photos plainly enlarged, as far as both scores are known of that."""
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    photos: int
    """Photos that have both scores; at most `MOST_POINTS` of them are shown, spread evenly."""


@dataclass(frozen=True)
class Line:
    """A line over time: its points as an SVG polyline has them, and the largest value."""

    points: str
    area: str
    highest: float
    seconds: float


def histogram(series: Sequence[np.ndarray]) -> Histogram | None:
    """Histograms of values, each array of shape (photos,), NaN where there is none; None without any value.

    The axis ends at the 0.5 % and 99.5 % quantiles of all values; those beyond are in the outermost bins.
    """
    # In float64: a float32 that is clipped to a float64 end may come to lie beyond it, and in no bin.
    known = [values[np.isfinite(values)].astype(np.float64) for values in series]
    every = np.concatenate(known)
    if not every.size:
        return None
    low, high = (float(end) for end in np.quantile(every, (0.005, 0.995)))
    if high <= low:
        low, high = low - 0.5, low + 0.5
    bins = int(np.clip(2 * np.sqrt(max(values.size for values in known)), FEWEST_BINS, MOST_BINS))
    edges = np.linspace(low, high, bins + 1)
    counts = [np.histogram(np.clip(values, low, high), edges)[0] for values in known]
    most = max(int(count.max()) for count in counts)
    medians = tuple(_along(float(np.median(values)), low, high) for values in known if values.size)
    return Histogram(tuple(_bars(count, edges, most) for count in counts), medians, low, high)


def scatter(x: np.ndarray, y: np.ndarray, baseline: tuple[np.ndarray, np.ndarray] | None = None) -> Scatter | None:
    """Photos by two scores, arrays of shape (photos,), NaN where there is none; None without a photo that has both.

    `baseline` has the same two scores of what the photos are compared with.
    """
    rows = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if not rows.size:
        return None
    shown = rows[np.linspace(0, rows.size - 1, min(rows.size, MOST_POINTS)).astype(np.int64)]
    other_x, other_y = baseline if baseline is not None else (np.full(x.shape, np.nan),) * 2
    both = np.isfinite(other_x) & np.isfinite(other_y)
    compared = rows[both[rows]]
    x_range = _range(np.concatenate([x[rows], other_x[compared]]))
    y_range = _range(np.concatenate([y[rows], other_y[compared]]))
    return Scatter(
        tuple(_point(x, y, row, x_range, y_range) for row in shown),
        tuple(_point(other_x, other_y, row, x_range, y_range) for row in shown[both[shown]]),
        x_range,
        y_range,
        int(rows.size),
    )


def _point(
    x: np.ndarray, y: np.ndarray, row: np.int64, x_range: tuple[float, float], y_range: tuple[float, float]
) -> Point:
    across, up = float(x[row]), float(y[row])
    height = HEIGHT - _along(up, *y_range) * HEIGHT / WIDTH
    return Point(round(_along(across, *x_range), 1), round(height, 1), int(row), (across, up))


def throughput(finished: np.ndarray) -> Line | None:
    """Photos a minute over the run, from the times (seconds) at which photos were done; None below two moments."""
    if finished.size < 2 or finished.max() - finished.min() < 1.0:
        return None
    seconds = float(finished.max() - finished.min())
    counts, edges = np.histogram(finished, min(60, max(2, finished.size // 2)))
    rates = counts * 60.0 / (edges[1] - edges[0])
    highest = float(rates.max())
    xs = np.linspace(0, WIDTH, rates.size)
    points = " ".join(f"{x:.1f},{HEIGHT - rate / highest * HEIGHT:.1f}" for x, rate in zip(xs, rates, strict=True))
    return Line(points, f"0,{HEIGHT} {points} {WIDTH},{HEIGHT}", highest, seconds)


def _bars(counts: np.ndarray, edges: np.ndarray, most: int) -> tuple[Bar, ...]:
    width = WIDTH / len(counts)
    return tuple(
        Bar(
            round(number * width, 2),
            round(HEIGHT - HEIGHT * int(count) / most, 2),
            round(width - 1, 2),
            round(HEIGHT * int(count) / most, 2),
            f"{edges[number]:.4g} to {edges[number + 1]:.4g}: {int(count):,} photos",
        )
        for number, count in enumerate(counts)
        if count
    )


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = (high - low) * 0.03 or 0.5
    return low - margin, high + margin


def _along(value: float, low: float, high: float) -> float:
    return round((min(max(value, low), high) - low) / (high - low) * WIDTH, 1)
