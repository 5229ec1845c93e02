"""Evaluation as a page for browsers: tables, and curves where one setting was varied; one file without any network."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pasd_batch.evaluation.lines import all_lines, differences, published_of, trends_of
from pasd_batch.evaluation.outcome import Outcome, SetOutcome
from pasd_batch.evaluation.protocols import TableColumn
from pasd_batch.evaluation.tables import DIFFERENCE_NOTE, NOTE, SECONDS, Line, title
from pasd_batch.report.html.charts import HEIGHT, WIDTH
from pasd_batch.report.html.rendering import render
from pasd_batch.storage.redaction import redact_uri

_MARGIN = 12.0


@dataclass(frozen=True)
class CurvePoint:
    """A value of the varied setting, with a metric's mean there."""

    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Curve:
    """A metric along the values of the setting that was varied, with the ends of its axis."""

    title: str
    points: Sequence[CurvePoint]
    low: float
    high: float

    @property
    def path(self) -> str:
        """The points as SVG's polyline takes them."""
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in self.points)


@dataclass(frozen=True)
class SetSection:
    """A set's part of the page."""

    name: str
    photos: int
    lines: Sequence[Line]
    differences: Sequence[Line]
    first: str
    sources: Sequence[str]
    trends: Sequence[str]
    curves: Sequence[Curve]


def evaluation_page(outcome: Outcome, place: str, *, comparison: str | None) -> str:
    """The page's HTML; `place` is shown as the evaluation's, `comparison` is the address of that page beside it."""
    columns = outcome.columns
    return render(
        "evaluation.html.j2",
        place=redact_uri(place),
        report_command=f"pasd-batch report {shlex.quote(redact_uri(place) + '/runs/VARIANT')}",
        protocol=outcome.protocol.name,
        columns=columns,
        with_seconds=[*columns, SECONDS],
        titles=[title(column, outcome.higher_is_better) for column in columns],
        note=NOTE,
        difference_note=DIFFERENCE_NOTE,
        varied=None if outcome.varied is None else outcome.varied[0],
        sections=[_section(outcome, each) for each in outcome.sets],
        variants=[(each.name, each.point) for each in outcome.settings.all_variants],
        comparison=comparison,
        width=WIDTH,
        height=HEIGHT,
    )


def _section(outcome: Outcome, each: SetOutcome) -> SetSection:
    return SetSection(
        each.name,
        each.photos,
        all_lines(outcome, each),
        differences(outcome, each),
        each.variants[0].method,
        sorted({row.source for row in published_of(outcome, each)}),
        list(trends_of(outcome, each)),
        list(_curves(outcome, each)),
    )


def _curves(outcome: Outcome, each: SetOutcome) -> Iterator[Curve]:
    if outcome.varied is None:
        return
    methods = {scores.method: scores for scores in each.variants}
    _, points = outcome.varied
    for column in outcome.columns:
        known = [(value, mean) for value, name in points if (mean := methods[name].mean(column.name)) is not None]
        if len(known) > 1:
            yield _curve(column, title(column, outcome.higher_is_better), known)


def _curve(column: TableColumn, heading: str, known: Sequence[tuple[float, float]]) -> Curve:
    values, means = zip(*known, strict=True)
    low, high = min(means), max(means)
    points = [
        CurvePoint(
            _MARGIN + _share(value, min(values), max(values)) * (WIDTH - 2 * _MARGIN),
            HEIGHT - _MARGIN - _share(mean, low, high) * (HEIGHT - 2 * _MARGIN),
            f"{value:g}: {mean:.{column.decimals}f}",
        )
        for value, mean in known
    ]
    return Curve(heading, points, low, high)


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5
