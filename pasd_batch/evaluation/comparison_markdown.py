"""Comparisons as Markdown, for terminals and continuous integration."""

from collections.abc import Iterator

from pasd_batch.evaluation.compared_runs import ComparedRuns, Versus
from pasd_batch.evaluation.comparison import Photos, ScoreChange
from pasd_batch.report.markdown import as_text, markdown_table

SHOWN = 5
"""Photos that are named for having gained or lost most by a score."""


def to_markdown(compared: ComparedRuns) -> str:
    """Page of what differs, every score's paired differences, and the photos that changed most."""
    parts = [_settings(compared), *(_section(versus) for versus in compared.comparisons)]
    return "\n\n".join(part for part in parts if part) + "\n"


def photo_lines(photos: Photos) -> Iterator[str]:
    """Numbers of photos, and what of them makes a comparison doubtful, in sentences."""
    yield f"{photos.compared:,} photos failed in neither."
    for number, text in (
        (photos.failed_first, "failed in the first alone"),
        (photos.failed_second, "failed in the second alone"),
        (photos.only_first, "are in the first alone"),
        (photos.only_second, "are in the second alone"),
        (photos.same_result, "have the same result, byte by byte"),
        (photos.other_input, "were fetched as other bytes: their inputs differ, too"),
        (photos.other_size, "have results of another width: scores without a reference depend on the size"),
    ):
        if number:
            yield f"{number:,} {text}."


def _settings(compared: ComparedRuns) -> str:
    header = ("what differs", *(run.uri for run in compared.runs))
    rows = [(each.name, *each.values) for each in compared.differing]
    return markdown_table("What differs", tuple(as_text(name) for name in header), rows)


def _section(versus: Versus) -> str:
    first, second = versus.names
    parts = [
        f"# {as_text(second)} against {as_text(first)}",
        " ".join(photo_lines(versus.comparison.photos)),
        _scores(versus.comparison.changes),
        *(_photos_of(change) for change in versus.comparison.changes),
    ]
    return "\n\n".join(part for part in parts if part)


def _scores(changes: tuple[ScoreChange, ...]) -> str:
    header = (
        "score",
        "photos",
        "mean of the first",
        "mean of the second",
        "difference",
        "95 % interval",
        "photos won by the second",
        "the second is",
    )
    return markdown_table("Scores", header, [_row(change) for change in changes]) or "No score is in both."


def _row(change: ScoreChange) -> tuple[str, ...]:
    found = change.difference
    direction = "higher" if change.column.higher_is_better else "lower"
    return (
        f"{change.column.name} ({direction} is better)",
        f"{found.photos:,}",
        f"{found.first:.4g}",
        f"{found.second:.4g}",
        f"{found.mean:+.3g}",
        f"{found.low:+.3g} to {found.high:+.3g}",
        f"{found.won:.0%}",
        change.verdict.value,
    )


def _photos_of(change: ScoreChange) -> str:
    photos = (*change.gained[:SHOWN], *reversed(change.lost[:SHOWN]))
    rows = [(photo.name, f"{photo.difference:+.3g}") for photo in photos]
    return markdown_table(f"Most changed: {change.column.name}", ("photo", "difference"), rows)
