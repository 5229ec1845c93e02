"""Comparisons as a page for browsers: one file that needs no network."""

from collections.abc import Iterator

from pasd_batch.config.photos import DecodeLimits
from pasd_batch.evaluation.compared_runs import ComparedRuns
from pasd_batch.evaluation.comparison import Verdict
from pasd_batch.evaluation.comparison_markdown import photo_lines
from pasd_batch.evaluation.comparison_photos import INPUT, compared_photos
from pasd_batch.evaluation.paired import PairedDifference
from pasd_batch.records import ScoreColumn
from pasd_batch.report.html import charts
from pasd_batch.report.html.rendering import render

_STYLES = {
    Verdict.BETTER: "better",
    Verdict.WORSE: "worse",
    Verdict.UNCLEAR: "unclear",
    Verdict.SAME: "unclear",
}
_HALF = 50.0
"""Half the width of an interval's picture, whose middle is 0."""


def to_html(compared: ComparedRuns, *, photos: int, limits: DecodeLimits | None = None) -> str:
    """The page, with up to `photos` photos that changed most.

    Raises:
        StorageError: rows of photos cannot be read.
    """
    return render(
        "comparison.html.j2",
        compared=compared,
        photo_lines=photo_lines,
        verdicts=_STYLES,
        interval=_interval,
        histogram=charts.histogram,
        width=charts.WIDTH,
        height=charts.HEIGHT,
        photos=list(compared_photos(compared, photos, limits or DecodeLimits())),
        labels=[INPUT, *(run.letter for run in compared.runs)],
        columns=list(_columns(compared)),
    )


def _interval(found: PairedDifference) -> tuple[float, float, float] | None:
    """Positions of low end, mean and high end around 0; None without an end, as of one photo."""
    largest = max(abs(found.low), abs(found.high))
    if not 0.0 < largest < float("inf"):
        return None
    low, mean, high = (round(value / largest * _HALF, 1) for value in (found.low, found.mean, found.high))
    return low, mean, high


def _columns(compared: ComparedRuns) -> Iterator[ScoreColumn]:
    """Scores that are compared, each once."""
    changes = [change for versus in compared.comparisons for change in versus.comparison.changes]
    yield from {change.column.name: change.column for change in changes}.values()
