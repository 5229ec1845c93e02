"""Interfaces of a worker to its models, and how the real ones are built from a run's settings.

Described by what is used of them, so that the engine loads neither diffusers nor metrics for runs without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pasd_batch.config.run import RunMode, RunSettings
from pasd_batch.describe.region_classes import unknown_classes
from pasd_batch.records import PhotoFailure, Score, ScoreColumn

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from pasd_batch.config.sampling import SamplingSettings
    from pasd_batch.describe.describer import Describer
    from pasd_batch.pasd.color_reference import Palette
    from pasd_batch.pasd.regions import PhotoRegions
    from pasd_batch.pasd.restorer import Restoration


class PhotoRestorer(Protocol):
    """Restores photos; the same photo, prompt and seed give the same pixels, whatever else is in the batch."""

    def restore(
        self,
        photos: Sequence[Tensor],
        *,
        prompts: Sequence[str],
        seeds: Sequence[int],
        samplings: Sequence[SamplingSettings] | None = None,
        palettes: Sequence[Palette | None] | None = None,
        regions: Sequence[PhotoRegions | None] | None = None,
        on_step: Callable[[float, int], None] | None = None,
    ) -> Sequence[Restoration | PhotoFailure]:
        """One result per photo, in order; photos are CPU tensors (3, height, width), sRGB: float32 in [0, 1], and large
        ones uint8 or uint16, as which they come back.

        `samplings` are the settings of each photo, for the last pass where there are several; none: those that the
        restorer was built with. `palettes` are those of their colour references, for photos that have one; `regions`
        are the masks and found boxes of photos that have any.
        """
        ...


class PhotoScorer(Protocol):
    """Scores one photo at a time; arrays are (height, width, 3), sRGB: float32 in [0, 1], uint8 or uint16."""

    @property
    def columns(self) -> Sequence[ScoreColumn]:
        """Definitions of the scores that `score` gives, the same for every photo of a run."""
        ...

    def score(self, photo: np.ndarray, restored: np.ndarray | None, reference: np.ndarray | None) -> Sequence[Score]:
        """Scores of a photo as it came and, if there is one, of its restoration."""
        ...


@dataclass
class WorkerModels:
    """Models of a worker process; None for those that the run does not use."""

    restorer: PhotoRestorer | None
    scorer: PhotoScorer | None
    describers: Sequence[Describer] = ()


def load_restorer(settings: RunSettings) -> PhotoRestorer | None:
    """The run's restorer; None for a run that does not restore.

    Raises:
        CheckpointError: a model folder is missing, or does not hold what it should.
    """
    if settings.mode is not RunMode.RESTORE:
        return None
    if settings.restoration.passes:
        from pasd_batch.pasd.passes import MultiPassRestorer

        return MultiPassRestorer.from_settings(settings.restoration, keep_earlier=settings.output.passes)
    from pasd_batch.pasd.restorer import Restorer

    return Restorer.from_settings(settings.restoration)


def load_scorer(settings: RunSettings) -> PhotoScorer | None:
    """The run's metrics; None for a run that describes.

    Raises:
        MetricsUnavailable: metrics that cannot be computed here.
    """
    if settings.mode is RunMode.DESCRIBE:
        return None
    from pasd_batch.metrics.scorer import Scorer

    return Scorer.from_settings(settings.metrics, restores=settings.mode is RunMode.RESTORE)


def load_describers(settings: RunSettings) -> Sequence[Describer]:
    """The run's describers, beside the restorer on its device; none for a run without a model.

    Raises:
        DescriberUnavailable: a folder is missing, or does not hold what it should; or the detector does not know a
            class of a region.
    """
    wanted = settings.restoration.describe
    if not settings.mode.has_model or not wanted.describers:
        return ()
    from pasd_batch.describe import loading
    from pasd_batch.pasd.device import choose_device, choose_dtype

    if wanted.detect is not None and isinstance(wanted.detect.weights, Path):
        from pasd_batch.describe.model_folder import DescriberUnavailable

        if problem := unknown_classes(settings.restoration.regions, wanted.detect.weights):
            raise DescriberUnavailable(problem)
    model = settings.restoration.in_order[0].model
    device = choose_device(model.device)
    dtype = choose_dtype(model.dtype, device)
    return loading.load_describers(wanted, device=device, dtype=dtype)


def fingerprint_model(settings: RunSettings) -> str | None:
    """A hash of all files that the run's models are loaded from; None for a run without a model."""
    if not settings.mode.has_model:
        return None
    from pasd_batch.pasd.model_identity import model_fingerprint

    describes = settings.mode is RunMode.DESCRIBE
    return model_fingerprint(settings.restoration.describe if describes else settings.restoration)


@dataclass(frozen=True)
class ModelLoaders:
    """Loaders of a process's models: functions that can be imported by name, because processes are told the name."""

    restorer: Callable[[RunSettings], PhotoRestorer | None] = load_restorer
    scorer: Callable[[RunSettings], PhotoScorer | None] = load_scorer
    fingerprint: Callable[[RunSettings], str | None] = fingerprint_model
    describers: Callable[[RunSettings], Sequence[Describer]] = load_describers

    def load(self, settings: RunSettings) -> WorkerModels:
        """Everything that the run uses."""
        return WorkerModels(self.restorer(settings), self.scorer(settings), self.describers(settings))
