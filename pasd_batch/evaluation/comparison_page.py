"""A comparison as Markdown, for terminals and continuous integration."""

from collections.abc import Iterator

from pasd_batch.evaluation.comparison import Comparison, ScoreChange
from pasd_batch.report.markdown import as_text, markdown_table


def to_markdown(comparison: Comparison) -> str:
    """The comparison as a Markdown page: what differs, every score's paired differences, photos that changed most."""
    parts = [
        f"# {as_text(comparison.second)} against {as_text(comparison.first)}",
        _photos(comparison),
        _settings(comparison),
        _scores(comparison),
        *(_photos_of(change) for change in comparison.changes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _photos(comparison: Comparison) -> str:
    lines = [f"{comparison.photos:,} photos failed in neither."]
    for number, text in (
        (comparison.failed_first, "failed in the first alone"),
        (comparison.failed_second, "failed in the second alone"),
        (comparison.only_first, "are in the first alone"),
        (comparison.only_second, "are in the second alone"),
    ):
        if number:
            lines.append(f"{number:,} {text}.")
    return " ".join(lines)


def _settings(comparison: Comparison) -> str:
    lines = "\n".join(f"- {as_text(line)}" for line in comparison.settings)
    return f"## What differs\n\n{lines}" if lines else ""


def _scores(comparison: Comparison) -> str:
    rows = [_row(change) for change in comparison.changes]
    header = ("score", "photos", "first", "second", "difference", "95 % interval", "photos won by the second")
    return markdown_table("Scores", header, rows) or "No score is in both."


def _row(change: ScoreChange) -> tuple[str, ...]:
    found = change.difference
    direction = "higher" if change.higher_is_better else "lower"
    return (
        f"{change.name} ({direction} is better)",
        f"{found.photos:,}",
        f"{found.first:.4g}",
        f"{found.second:.4g}",
        f"{found.mean:+.3g}",
        f"{found.low:+.3g} to {found.high:+.3g}",
        f"{found.won:.0%}",
    )


def _photos_of(change: ScoreChange) -> str:
    return markdown_table(f"Most changed: {change.name}", ("photo", "difference"), _most_changed(change))


def _most_changed(change: ScoreChange) -> Iterator[tuple[str, str]]:
    for photo, difference in (*change.gained, *reversed(change.lost)):
        yield photo, f"{difference:+.3g}"
