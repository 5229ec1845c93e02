"""Pairs of scores before and after, told from their names: `NAME_before` with `NAME_after`, or with plain `NAME`."""

from collections.abc import Collection

INPUT = "_input"
BEFORE = "_before"
AFTER = "_after"


def score_pairs(names: Collection[str]) -> dict[str, tuple[str, str]]:
    """The pairs among scores, by metric: the name of the score before (of plain enlargement) and of that after.

    Metrics without a reference have `NAME_after`, those with one plain `NAME` (see `pasd_batch.metrics.scorer`).
    """
    pairs = {}
    for before in names:
        metric = before.removesuffix(BEFORE)
        after = next((name for name in (metric + AFTER, metric) if name != before and name in names), None)
        if after is not None:
            pairs[metric] = (before, after)
    return pairs
