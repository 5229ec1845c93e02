"""Interfaces of a worker to restorer and scorer, and how the real ones are built from a run's settings.

Described by what is used of them, so that the engine loads neither diffusers nor metrics for runs without them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pasd_batch.config.run import RunMode, RunSettings
from pasd_batch.records import PhotoFailure, Score, ScoreColumn

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from pasd_batch.pasd.restorer import Restoration

_BASE_PARTS = ("vae", "text_encoder", "tokenizer", "scheduler")
_CONTROL_PARTS = ("unet", "controlnet", "scheduler")
_MODEL_SUFFIXES = {".safetensors", ".json", ".txt"}


class PhotoRestorer(Protocol):
    """Restores photos; the same photo, prompt and seed give the same pixels, whatever else is in the batch."""

    def restore(
        self,
        photos: Sequence[Tensor],
        *,
        prompts: Sequence[str],
        seeds: Sequence[int],
        on_step: Callable[[int, int], None] | None = None,
    ) -> Sequence[Restoration | PhotoFailure]:
        """One result per photo, in order; photos are float32 CPU tensors (3, height, width), sRGB in [0, 1]."""
        ...


class PhotoScorer(Protocol):
    """Scores one photo at a time; arrays are float32 (height, width, 3), sRGB in [0, 1]."""

    @property
    def columns(self) -> Sequence[ScoreColumn]:
        """Definitions of the scores that `score` gives, the same for every photo of a run."""
        ...

    def score(self, photo: np.ndarray, restored: np.ndarray | None, reference: np.ndarray | None) -> Sequence[Score]:
        """Scores of a photo as it came and, if there is one, of its restoration."""
        ...


@dataclass
class Models:
    """Models of a worker process; None for those that the run does not use."""

    restorer: PhotoRestorer | None
    scorer: PhotoScorer | None


def load_restorer(settings: RunSettings) -> PhotoRestorer | None:
    """The run's restorer; None for a run that only scores.

    Raises:
        CheckpointError: a model folder is missing, or does not hold what it should.
    """
    if settings.mode is RunMode.SCORE:
        return None
    from pasd_batch.pasd.restorer import Restorer

    return Restorer.from_settings(settings.restoration)


def load_scorer(settings: RunSettings) -> PhotoScorer:
    """The run's metrics.

    Raises:
        MetricsUnavailable: metrics that cannot be computed here.
    """
    from pasd_batch.metrics.scorer import Scorer

    return Scorer.from_settings(settings.metrics, restores=settings.mode is RunMode.RESTORE)


def fingerprint_model(settings: RunSettings) -> str | None:
    """A hash of all files that the restorer loads, the same wherever they lie; None for a run that only scores."""
    if settings.mode is RunMode.SCORE:
        return None
    from pasd_batch.config.embedded_model import EMBEDDED_MODEL

    model = settings.restoration.model
    digest = hashlib.sha256()
    for folder, parts in ((model.base, _BASE_PARTS), (model.control, _CONTROL_PARTS)):
        for file in _model_files(Path(folder or EMBEDDED_MODEL), parts, allow_pickle=model.allow_pickle):
            with file.open("rb") as opened:
                content = hashlib.file_digest(opened, "sha256").hexdigest()
            digest.update(f"{file.parent.name}/{file.name} {content}\n".encode())
    return digest.hexdigest()[:32]


@dataclass(frozen=True)
class ModelLoaders:
    """Loaders of a process's models: functions that can be imported by name, because processes are told the name."""

    restorer: Callable[[RunSettings], PhotoRestorer | None] = load_restorer
    scorer: Callable[[RunSettings], PhotoScorer | None] = load_scorer
    fingerprint: Callable[[RunSettings], str | None] = fingerprint_model

    def load(self, settings: RunSettings) -> Models:
        """Everything that the run uses."""
        return Models(self.restorer(settings), self.scorer(settings))


def _model_files(folder: Path, parts: tuple[str, ...], *, allow_pickle: bool) -> Iterator[Path]:
    for part in parts:
        files = sorted(path for path in (folder / part).glob("*") if path.is_file())
        safe = any(path.suffix == ".safetensors" for path in files)
        pickled = {".bin"} if allow_pickle and not safe else set()
        yield from (path for path in files if path.suffix in _MODEL_SUFFIXES | pickled)
