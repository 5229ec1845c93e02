"""What a worker needs of a restorer and a scorer, and how the real ones are built from a run's settings.

Described by what is used of them, so that the engine loads neither diffusers nor metrics for runs without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pasd_batch.config.run import RunMode, RunSettings
from pasd_batch.records import Score, ScoreColumn

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


class WorkReport(Protocol):
    """How much work a restoration was."""

    @property
    def tiles(self) -> int:
        """Tiles it was denoised in."""
        ...

    @property
    def tile_batch(self) -> int:
        """Tiles that went through the networks together."""
        ...

    @property
    def tile_size(self) -> int:
        """Side of the largest tile, in latent pixels."""
        ...

    @property
    def out_of_memory_retries(self) -> int:
        """How often memory ran out and less was tried."""
        ...

    @property
    def float32_retry(self) -> bool:
        """Whether it was computed again in float32."""
        ...


class RestoredImage(Protocol):
    """A restored photo."""

    @property
    def image(self) -> Tensor:
        """Float32 CPU tensor (3, height, width), sRGB in [0, 1]."""
        ...

    @property
    def prompt(self) -> str:
        """The whole prompt that was used."""
        ...

    @property
    def report(self) -> WorkReport:
        """How much work it was."""
        ...


@runtime_checkable
class Refusal(Protocol):
    """Why a photo could not be restored."""

    @property
    def error_type(self) -> str:
        """Class of the error."""
        ...

    @property
    def message(self) -> str:
        """What is wrong and what to do."""
        ...


class PhotoRestorer(Protocol):
    """Restores photos; the same photo, prompt and seed give the same pixels, whatever else is in the batch."""

    def restore(
        self,
        photos: Sequence[Tensor],
        *,
        prompts: Sequence[str],
        seeds: Sequence[int],
        on_step: Callable[[int, int], None] | None = None,
    ) -> Sequence[RestoredImage | Refusal]:
        """One result per photo, in order; photos are float32 CPU tensors (3, height, width), sRGB in [0, 1]."""
        ...


class PhotoScorer(Protocol):
    """Scores one photo at a time; arrays are float32 (height, width, 3), sRGB in [0, 1]."""

    @property
    def columns(self) -> Sequence[ScoreColumn]:
        """What `score` gives, the same for every photo of a run."""
        ...

    def score(self, photo: np.ndarray, restored: np.ndarray | None, reference: np.ndarray | None) -> Sequence[Score]:
        """Scores of a photo as it came and, if there is one, of its restoration."""
        ...


@dataclass
class Models:
    """What a worker process holds; None for what the run does not use."""

    restorer: PhotoRestorer | None
    scorer: PhotoScorer | None


ModelFactory = Callable[[RunSettings], Models]
"""Builds a process's models; a function that can be imported by name, because processes are told the name."""


def load_models(settings: RunSettings) -> Models:
    """The restorer and the scorer that the settings ask for."""
    return Models(restorer=_load_restorer(settings), scorer=None)


def _load_restorer(settings: RunSettings) -> PhotoRestorer | None:
    if settings.mode is RunMode.SCORE:
        return None
    from pasd_batch.pasd.restorer import Restorer

    return Restorer.from_settings(settings.restoration)
