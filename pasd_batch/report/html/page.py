"""The report page: `index.html`, one file with everything in it, and files of data beside it for large runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from pasd_batch.records import ScoreColumn
from pasd_batch.report.html import charts
from pasd_batch.report.html.charts import Histogram, Scatter
from pasd_batch.report.html.digest import RunDigest
from pasd_batch.report.html.gallery import Choice, ShownPhoto, key_score
from pasd_batch.report.html.rendering import render
from pasd_batch.report.html.rows_data import COLUMNS, HIDDEN, RowsData, script_json
from pasd_batch.report.own_settings import own_setting_names
from pasd_batch.report.score_pairs import AFTER, BEFORE, score_pairs
from pasd_batch.runs.run_differences import flat_settings
from pasd_batch.runs.run_file import RunFile

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_MOST_SCATTERS = 3


@dataclass(frozen=True)
class ScoreSummary:
    """Distribution of a score over all photos, and of that before, where there is one."""

    name: str
    column: ScoreColumn
    photos: int
    quantiles: tuple[float, ...]
    before: tuple[float, ...] | None
    """The same quantiles before, over the photos that have both."""
    mean: float | None
    mean_before: float | None
    median_change: float | None
    improved: float | None
    """Share of the photos that have both whose score is better after than before."""
    histogram: Histogram | None


@dataclass(frozen=True)
class Comparison:
    """Fidelity to the input or the reference against a score of quality, photo by photo."""

    fidelity: ScoreColumn
    quality: ScoreColumn
    scatter: Scatter


def render_page(
    run: RunFile,
    uri: str,
    digest: RunDigest,
    rows: RowsData,
    gallery: Sequence[tuple[Choice, Sequence[ShownPhoto]]],
    cost: str | None = None,
) -> str:
    """The page's HTML; `uri` is the run's place, `gallery` has the photos of every choice, `cost` is a line."""
    return render(
        "page.html.j2",
        own=own_setting_names(run),
        issue_names=(),
        number_word="Score",
        run=run,
        uri=uri,
        cost=cost,
        statistics=digest.statistics,
        complete=digest.photos == run.photos,
        restores=run.config.get("mode", "restore") == "restore",
        settings=settings_of(run),
        key=key_score(digest),
        scores=[_summary(digest, *names) for names in _scores(digest)],
        unpaired=list(digest.score_columns.values()),
        comparisons=list(_comparisons(digest))[:_MOST_SCATTERS],
        throughput=charts.throughput(np.frombuffer(digest.finished)),
        gallery=gallery,
        data=table_data(run, digest, rows),
        width=charts.WIDTH,
        height=charts.HEIGHT,
    )


def table_data(run: RunFile, digest: RunDigest, rows: RowsData) -> Markup:
    """Content of the table of all photos, as JSON."""
    data = {
        "columns": COLUMNS,
        "hidden": HIDDEN,
        "filled": [name for name in (*COLUMNS, *rows.score_names) if name in rows.filled],
        "own": own_setting_names(run),
        "scores": rows.score_names,
        "rows": rows.within_page(),
        "files": rows.files,
        "photos": digest.photos,
    }
    return Markup(script_json(data))


def settings_of(run: RunFile) -> list[tuple[str, str]]:
    """A run's settings by their dotted paths, those of passes by their numbers."""
    return sorted((name, str(value)) for name, value in flat_settings(run.config).items())


def _scores(digest: RunDigest) -> Iterator[tuple[str, str, str | None]]:
    """Each metric's label, its score and that before; scores of pairs stand once."""
    pairs = score_pairs(list(digest.score_columns))
    paired = {before for before, _ in pairs.values()}
    before = {after: first for first, after in pairs.values()}
    for name in digest.score_columns:
        if name not in paired:
            label = name.removesuffix(AFTER) if name in before else name
            yield label, name, before.get(name)


def _summary(digest: RunDigest, label: str, name: str, before: str | None) -> ScoreSummary:
    after = digest.values(name)
    known = np.isfinite(after)
    column = digest.score_columns[name]
    if before is None:
        return ScoreSummary(
            label,
            column,
            int(known.sum()),
            _quantiles(after),
            None,
            _mean(after),
            None,
            None,
            None,
            charts.histogram([after]),
        )
    first = digest.values(before)
    both = known & np.isfinite(first)
    change = (after - first)[both]
    gain = change if column.higher_is_better else -change
    return ScoreSummary(
        label,
        column,
        int(both.sum()),
        _quantiles(after[both]),
        _quantiles(first[both]),
        _mean(after[both]),
        _mean(first[both]),
        float(np.median(change)) if change.size else None,
        float((gain > 0).mean()) if change.size else None,
        charts.histogram([first[both], after[both]]),
    )


def _quantiles(values: np.ndarray) -> tuple[float, ...]:
    known = values[np.isfinite(values)]
    return tuple(float(value) for value in np.quantile(known, _QUANTILES)) if known.size else ()


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean(dtype=np.float64)) if known.size else None


def _comparisons(digest: RunDigest) -> Iterator[Comparison]:
    """Every score of quality after against that score of fidelity, to a reference or the input, that most have."""
    counts = {
        name: int(np.isfinite(digest.values(name)).sum())
        for name in ("psnr", "fidelity_psnr")
        if name in digest.score_columns
    }
    fidelity = max(counts, key=lambda name: counts[name], default=None)
    if fidelity is None or not counts[fidelity]:
        return
    for name, column in digest.score_columns.items():
        if name.endswith(AFTER):
            before = (fidelity + BEFORE, name.removesuffix(AFTER) + BEFORE)
            known = all(each in digest.score_columns for each in before)
            baseline = (digest.values(before[0]), digest.values(before[1])) if known else None
            points = charts.scatter(digest.values(fidelity), digest.values(name), baseline)
            if points is not None:
                yield Comparison(digest.score_columns[fidelity], column, points)
