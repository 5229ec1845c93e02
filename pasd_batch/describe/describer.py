"""Describers as the worker sees them: photos in, a finding about each out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pasd_batch.records import Description, FoundBox

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Work:
    """Conditions of a describer's work."""

    check: Callable[[], None] = lambda: None
    """Called between its steps; raises what ends the work, such as a deadline."""
    filled: bool = True
    """Fill batches up, by repeating their last photo, so that no neighbour can change a photo's finding by a rounding.
    Not where memory is too short for that."""


@dataclass(frozen=True)
class Finding:
    """Finding of one describer about one photo: its own fields of a description, or why they are empty."""

    description: Description = field(default_factory=Description)
    doubt: str | None = None
    """Reason why nothing is said; None where something is."""
    boxes: tuple[FoundBox, ...] = ()
    """Places of the objects that it is sure of, the surest first."""


class Describer(Protocol):
    """Looks at photos before they are enlarged; the same photo gives the same finding, whatever else is in the batch.

    Photos are uint8 arrays (height, width, 3), sRGB, as they are seen.
    """

    @property
    def name(self) -> str:
        """Name of its settings: `caption`, `detect` or `classify`."""
        ...

    def describe(self, photos: Sequence[np.ndarray], work: Work) -> Sequence[Finding]:
        """One finding per photo, in order.

        Raises:
            Exception: what the network, its photo processor or `work.check` raises.
        """
        ...
