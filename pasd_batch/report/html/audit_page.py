"""The report page of an audit: counts per issue, the worst photos of each, distributions of measures, all photos."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pasd_batch.audit.issues import ISSUES, Issue, threshold_of
from pasd_batch.config.audit import AuditSettings
from pasd_batch.records import ScoreColumn
from pasd_batch.report.html import charts
from pasd_batch.report.html.audit_digest import AuditDigest
from pasd_batch.report.html.charts import Histogram
from pasd_batch.report.html.digest import RunDigest
from pasd_batch.report.html.gallery import Choice, ShownPhoto
from pasd_batch.report.html.page import settings_of, table_data
from pasd_batch.report.html.rendering import render
from pasd_batch.report.html.rows_data import RowsData
from pasd_batch.report.markdown import markdown_table
from pasd_batch.runs.run_file import RunFile


@dataclass(frozen=True)
class IssueLine:
    """A line of the table of issues."""

    issue: Issue
    threshold: str
    photos: int


@dataclass(frozen=True)
class MeasureChart:
    """Distribution of a measure over all photos."""

    column: ScoreColumn
    median: float
    histogram: Histogram


def render_audit_page(
    run: RunFile,
    uri: str,
    digest: RunDigest,
    rows: RowsData,
    audit: AuditDigest,
    settings: AuditSettings,
    gallery: Sequence[tuple[Choice, Sequence[ShownPhoto]]],
) -> str:
    """The page's HTML; `uri` is shown as the audit's place, `gallery` has the photos of every issue."""
    lines = issue_lines(audit, settings)
    return render(
        "audit.html.j2",
        run=run,
        uri=uri,
        audit=audit,
        lines=lines,
        issue_names=[line.issue.name for line in lines if line.photos],
        number_word="Measure",
        own=(),
        statistics=digest.statistics,
        settings=settings_of(run),
        unpaired=list(digest.score_columns.values()),
        measures=list(_charts(digest)),
        throughput=charts.throughput(np.frombuffer(digest.finished)),
        gallery=gallery,
        data=table_data(run, digest, rows),
        width=charts.WIDTH,
        height=charts.HEIGHT,
    )


def issue_lines(audit: AuditDigest, settings: AuditSettings) -> list[IssueLine]:
    """Issues that the settings have, the most frequent first."""
    lines = [
        IssueLine(issue, _threshold_text(issue, settings), audit.counts[issue.name])
        for issue in ISSUES
        if threshold_of(issue, settings) is not None
    ]
    return sorted(lines, key=lambda line: -line.photos)


def issues_markdown(audit: AuditDigest, settings: AuditSettings) -> str:
    """A section with all issues that photos have."""
    rows = [
        (line.issue.name, f"{line.photos:,}", f"{line.photos / max(1, audit.photos):.1%}", line.threshold)
        for line in issue_lines(audit, settings)
        if line.photos
    ]
    return markdown_table("Issues", ("issue", "photos", "share", "from"), rows)


def _threshold_text(issue: Issue, settings: AuditSettings) -> str:
    threshold = threshold_of(issue, settings)
    if threshold is None or issue.severity_of_all is not None:
        return ""
    if issue.name == "near_duplicate":
        return f"up to {settings.near_duplicate} of 64 bits"
    return f"{issue.measure} {'below' if issue.below else 'above'} {threshold:g}"


def _charts(digest: RunDigest) -> Iterator[MeasureChart]:
    for name, column in digest.score_columns.items():
        values = digest.values(name)
        known = values[np.isfinite(values)]
        chart = charts.histogram([values])
        if chart is not None:
            yield MeasureChart(column, float(np.median(known)), chart)
