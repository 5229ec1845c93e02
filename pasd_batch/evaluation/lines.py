"""Lines of the tables of an evaluation, set by set: what was measured, what others have published, differences."""

from collections.abc import Iterator

from pasd_batch.config.evaluation import ProtocolName
from pasd_batch.evaluation.outcome import Outcome, SetOutcome
from pasd_batch.evaluation.published import PublishedRow, published_rows
from pasd_batch.evaluation.tables import Line, difference_lines, measured_lines, published_lines, title, trend


def all_lines(outcome: Outcome, each: SetOutcome) -> list[Line]:
    """Plain enlargement, the variants, and what others have published."""
    measured = measured_lines([each.enlarged, *each.variants], outcome.columns, outcome.higher_is_better)
    return [*measured, *published_lines(published_of(outcome, each), outcome.columns)]


def differences(outcome: Outcome, each: SetOutcome) -> list[Line]:
    """The first variant against plain enlargement and the other variants."""
    first, *others = each.variants
    return difference_lines(first, [each.enlarged, *others], outcome.columns, outcome.higher_is_better)


def published_of(outcome: Outcome, each: SetOutcome) -> list[PublishedRow]:
    """Published rows of a set, if the evaluation measures as they did."""
    if outcome.protocol.name is not ProtocolName.FIELD:
        return []
    return [row for row in published_rows() if row.test_set == each.name]


def trends_of(outcome: Outcome, each: SetOutcome) -> Iterator[str]:
    """A line for each metric: whether it goes one way along the values of the one setting that the grid varies."""
    if outcome.varied is None:
        return
    path, points = outcome.varied
    methods = {scores.method: scores for scores in each.variants}
    for column in outcome.columns:
        known = [mean for _, name in points if (mean := methods[name].mean(column.name)) is not None]
        if len(known) > 1:
            yield f"{title(column, outcome.higher_is_better)} towards larger {path}: {trend(known)}"
