"""Outcome of an evaluation: all scores of all methods on all sets, and what they were made with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pasd_batch.config.evaluation import EvaluationSettings
from pasd_batch.evaluation.protocols import Protocol, TableColumn
from pasd_batch.evaluation.scores import MethodScores


@dataclass(frozen=True)
class SetOutcome:
    """Scores on one set."""

    name: str
    variants: Sequence[MethodScores]
    enlarged: MethodScores
    """Those of plain enlargement."""

    @property
    def photos(self) -> int:
        """Photos of the set."""
        return len(self.variants[0].photos) + len(self.variants[0].failed)


@dataclass(frozen=True)
class Outcome:
    """Scores on all sets."""

    settings: EvaluationSettings
    protocol: Protocol
    sets: Sequence[SetOutcome]
    higher_is_better: Mapping[str, bool]
    points: Mapping[str, Mapping[str, Any]]
    """Values of the settings that the grid varies, by variant."""

    @property
    def columns(self) -> Sequence[TableColumn]:
        """The protocol's columns."""
        return self.protocol.columns

    @property
    def varied(self) -> tuple[str, list[tuple[float, str]]] | None:
        """The one setting that the grid varies, with its values in order and the variants that have them.

        None unless there is one such setting, a number, with three values, of one variant.
        """
        if len(self.settings.grid) != 1 or len(self.settings.variants) != 1:
            return None
        ((path, values),) = self.settings.grid.items()
        if len(values) < 3 or not all(isinstance(value, int | float) for value in values):
            return None
        return path, sorted((float(point[path]), name) for name, point in self.points.items())
