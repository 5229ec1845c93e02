"""Pages of an evaluation: one for browsers, Markdown, CSV and JSON with every photo's values."""

import csv
import io
import json
import math
from collections.abc import Iterator
from typing import Any

from pasd_batch.config.evaluation import Variant
from pasd_batch.evaluation.compared_runs import compare
from pasd_batch.evaluation.comparison_html import to_html
from pasd_batch.evaluation.html_page import evaluation_page
from pasd_batch.evaluation.layout import COMPARISON, COMPARISON_NAME, CSV, JSON, MARKDOWN, PAGE
from pasd_batch.evaluation.lines import all_lines, differences, published_of, trends_of
from pasd_batch.evaluation.outcome import Outcome, SetOutcome
from pasd_batch.evaluation.scores import MethodScores
from pasd_batch.evaluation.tables import DIFFERENCE_NOTE, NOTE, SECONDS, is_better_higher, to_table
from pasd_batch.evaluation.variant_runs import run_root
from pasd_batch.report.markdown import as_text
from pasd_batch.runs.run_file import software_versions
from pasd_batch.runs.run_folder import RunFolder, open_run
from pasd_batch.storage.redaction import redacted
from pasd_batch.storage.storage import Storage

MOST_COMPARED = 8
"""Variants of the page that shows them side by side."""

_PHOTOS = 12


def write_pages(outcome: Outcome, storage: Storage) -> list[str]:
    """Write all of them; their URIs.

    Raises:
        StorageError: they cannot be stored.
    """
    compared = compare(_runs(outcome, storage))
    pages = {
        PAGE: evaluation_page(outcome, storage.uri(), comparison=COMPARISON_NAME),
        COMPARISON: to_html(compared, photos=_PHOTOS, limits=outcome.settings.limits),
        MARKDOWN: to_markdown(outcome),
        CSV: to_csv(outcome),
        JSON: to_json(outcome),
    }
    for path, text in pages.items():
        storage.write(path, text.encode())
    return [storage.uri(path) for path in pages]


def _runs(outcome: Outcome, storage: Storage) -> list[RunFolder]:
    names = [variant.name for variant in outcome.settings.all_variants][:MOST_COMPARED]
    return [open_run(run_root(storage, name), outcome.settings.storage) for name in names]


def to_markdown(outcome: Outcome) -> str:
    """Markdown of all sets' tables, for terminals."""
    parts = [f"# Evaluation, protocol {outcome.protocol.name}", NOTE]
    for each in outcome.sets:
        parts += [f"## {as_text(each.name)} ({each.photos:,} photos)", *_set_parts(outcome, each)]
    return "\n\n".join(parts) + "\n"


def _set_parts(outcome: Outcome, each: SetOutcome) -> Iterator[str]:
    higher = outcome.higher_is_better
    yield to_table("method", all_lines(outcome, each), [*outcome.columns, SECONDS], higher)
    if rows := published_of(outcome, each):
        yield "Published rows: " + "; ".join(sorted({as_text(row.source) for row in rows})) + "."
    yield f"{as_text(each.variants[0].method)} against the others. {DIFFERENCE_NOTE}"
    yield to_table("against", differences(outcome, each), outcome.columns, higher, sign="+")
    if trends := list(trends_of(outcome, each)):
        yield "\n".join(f"- {as_text(line)}" for line in trends)


def to_csv(outcome: Outcome) -> str:
    """One line for each set, method and metric."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["set", "method", "metric", "value", "low", "high", "photos", "published in"])
    for each in outcome.sets:
        for scores in (each.enlarged, *each.variants):
            for column in outcome.columns:
                low, high = scores.interval(column.name) or ("", "")
                value = scores.mean(column.name)
                shown = "" if value is None else value
                writer.writerow([each.name, scores.method, column.name, shown, low, high, len(scores.photos), ""])
        for row in published_of(outcome, each):
            for column in outcome.columns:
                if column.name in row.values:
                    writer.writerow(
                        [each.name, row.method, column.name, row.values[column.name], "", "", "", row.source]
                    )
    return buffer.getvalue()


def to_json(outcome: Outcome) -> str:
    """Everything, with each photo's values, the settings and the versions of what it was made with."""
    higher = outcome.higher_is_better
    metrics = {
        column.name: {"title": column.title, "higher_is_better": is_better_higher(column.name, higher)}
        for column in outcome.columns
    }
    document = {
        "protocol": outcome.protocol.name,
        "metrics": metrics,
        "versions": software_versions(),
        "variants": [_variant(each) for each in outcome.settings.all_variants],
        "sets": [_set(outcome, each) for each in outcome.sets],
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _variant(variant: Variant) -> dict[str, Any]:
    restoration = redacted(variant.restoration.model_dump(mode="json"))
    return {"name": variant.name, "point": dict(variant.point), "restoration": restoration}


def _set(outcome: Outcome, each: SetOutcome) -> dict[str, Any]:
    published = published_of(outcome, each)
    return {
        "name": each.name,
        "photos": each.photos,
        "methods": [_method(scores, outcome) for scores in (each.enlarged, *each.variants)],
        "published": [{"method": row.method, "values": row.values, "source": row.source} for row in published],
    }


def _method(scores: MethodScores, outcome: Outcome) -> dict[str, Any]:
    means = {column.name: scores.mean(column.name) for column in outcome.columns}
    intervals = {column.name: scores.interval(column.name) for column in outcome.columns}
    values = {name: [None if math.isnan(value) else value for value in found] for name, found in scores.values.items()}
    return {
        "method": scores.method,
        "means": means,
        "intervals": intervals,
        "photos": scores.photos,
        "failed": scores.failed,
        "seconds": scores.seconds,
        "values": values,
    }
