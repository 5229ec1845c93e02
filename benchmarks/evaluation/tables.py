"""Tables of what was measured, as an evaluation's are."""

from collections.abc import Sequence

import numpy as np

from evaluation.measuring import Measurement
from evaluation.metrics import HIGHER_IS_BETTER, METRICS
from pasd_batch.evaluation.protocols import TableColumn
from pasd_batch.evaluation.scores import MethodScores
from pasd_batch.evaluation.tables import SECONDS, difference_lines, measured_lines, to_table


def columns_of(measurements: Sequence[Measurement]) -> list[TableColumn]:
    """The metrics that were measured, in the tables' order."""
    return [METRICS[name] for name in METRICS if name in measurements[0].scores]


def scores_of(measurements: Sequence[Measurement]) -> list[MethodScores]:
    """Scores by method, in the order in which methods were measured."""
    methods: dict[str, MethodScores] = {}
    for measurement in measurements:
        scores = methods.setdefault(measurement.method, MethodScores(measurement.method))
        scores.photos.append(measurement.sample.photo)
        if measurement.seconds is not None:
            scores.seconds.append(measurement.seconds)
        for name, value in measurement.scores.items():
            scores.values.setdefault(name, []).append(np.nan if value is None else value)
    return list(methods.values())


def quality_table(measurements: Sequence[Measurement]) -> str:
    """One row a method, one column a metric, with an arrow for the better direction."""
    columns = columns_of(measurements)
    lines = measured_lines(scores_of(measurements), columns, HIGHER_IS_BETTER)
    return to_table("method", lines, [*columns, SECONDS], HIGHER_IS_BETTER)


def difference_table(measurements: Sequence[Measurement], *, method: str) -> str:
    """One row for each other method: how `method` differs from it, photo by photo."""
    columns = columns_of(measurements)
    by_name = {scores.method: scores for scores in scores_of(measurements)}
    first = by_name.pop(method)
    lines = difference_lines(first, list(by_name.values()), columns, HIGHER_IS_BETTER)
    return to_table("against", lines, columns, HIGHER_IS_BETTER, sign="+")
