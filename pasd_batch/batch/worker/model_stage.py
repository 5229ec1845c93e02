"""The model's turn: photos restored together, and each scored by itself."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pasd_batch.batch.worker.models import PhotoScorer, WorkerModels
from pasd_batch.batch.worker.overlap import Deadline
from pasd_batch.batch.worker.photo_loader import LoadedPhoto
from pasd_batch.batch.worker.photo_state import failure_of
from pasd_batch.batch.worker.watchdog import process_ends_after, stuck_after
from pasd_batch.config.run import RunSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.photos.compact import to_float
from pasd_batch.photos.photo import Photo, to_tensor, with_restored_image
from pasd_batch.records import PhotoFailure, Score, Stage

if TYPE_CHECKING:
    from pasd_batch.pasd.regions import PhotoRegions
    from pasd_batch.pasd.restorer import Restoration

_logger = logging.getLogger(__name__)

StepListener = Callable[[float, int], None]
"""Told after every step of a batch of photos how many are done, and how many there are."""


class ProcessPoisoned(Exception):
    """The GPU's state is lost for this process: every further photo would fail. The process has to end."""


@dataclass(frozen=True)
class ModelStage:
    """Runs the models of a process, one batch at a time."""

    settings: RunSettings
    models: WorkerModels
    on_step: StepListener = lambda *_: None

    def restore(self, batch: Sequence[LoadedPhoto]) -> Sequence[Restoration | PhotoFailure]:
        """Restore photos together; if that fails each by itself, so that a bad one costs the others nothing.

        Raises:
            ProcessPoisoned: the process cannot restore anything any more.
        """
        began = time.monotonic()
        try:
            outcomes = self._restore_together(batch)
        except Exception as error:
            raise_if_poisoned(error)
            unforeseen = not isinstance(error, PasdBatchError)  # what is foreseen is told in the photos' rows
            _logger.log(
                logging.WARNING if unforeseen else logging.INFO,
                "restoring %d photo(s) failed",
                len(batch),
                exc_info=error,
            )
            if len(batch) > 1:
                return [outcome for photo in batch for outcome in self.restore([photo])]
            outcomes = [failure_of(Stage.RESTORE, error)]
        for photo, outcome in zip(batch, outcomes, strict=True):
            photo.state.took(Stage.RESTORE, (time.monotonic() - began) / len(batch))
            if not isinstance(outcome, PhotoFailure):
                severity = outcome.report.severity if photo.state.severity is None else photo.state.severity
                photo.state.row.prompt_used = outcome.prompt
                photo.state.row.restoration = dataclasses.replace(outcome.report, severity=severity)
                for warning in outcome.warnings:
                    photo.state.warn(warning)
        return outcomes

    def prompt(self, loaded: LoadedPhoto) -> str:
        """A photo's prompt without the quality suffix: its own, or that of all photos, and what describers saw."""
        from pasd_batch.pasd.prompts import compose_prompt

        restoration, own = self.settings.restoration, loaded.state.record.prompt
        detect, description = restoration.describe.detect, loaded.state.row.description
        if description is not None and detect is not None and not detect.in_prompt:
            description = replace(description, objects=())
        return compose_prompt(
            restoration.last.sampling.prompt if own is None else own,
            description=description,
            substitutions=restoration.describe.substitutions,
        )

    def photos_of(self, loaded: LoadedPhoto, restoration: Restoration) -> list[Photo]:
        """Results of the passes that are asked for, the last one's last; grey photos stay so until one colorizes."""
        passes = self.settings.restoration.in_order
        images = (*restoration.earlier, restoration.image)
        first = len(passes) - len(images)
        colors = [any(each.sampling.colorize for each in passes[: first + n + 1]) for n in range(len(images))]
        return [
            with_restored_image(loaded.photo, image, colorized=colorized)
            for image, colorized in zip(images, colors, strict=True)
        ]

    def score(self, loaded: LoadedPhoto, restored: Photo | None) -> None:
        """Score a photo and its restoration, if any; transparent ones as they are seen over a plain grey.

        A scorer that fails as a whole gives scores without values: the restored photo is not thrown away for it.

        Raises:
            ProcessPoisoned: as in `restore`.
        """
        scorer = self.models.scorer
        if scorer is None:
            return
        began = time.monotonic()
        scores = self._scores(scorer, loaded, restored)
        loaded.state.took(Stage.SCORE, time.monotonic() - began)
        for score in scores:
            if score.error and _says_poisoned(score.error):
                raise ProcessPoisoned(f"the GPU is lost to this process: {score.error}")
        if scores:
            row = loaded.state.row
            row.scores, row.score_errors = {score.name: score.value for score in scores}, _errors_of(scores)

    def _scores(self, scorer: PhotoScorer, loaded: LoadedPhoto, restored: Photo | None) -> Sequence[Score]:
        try:
            with process_ends_after(stuck_after(self.settings.deadlines.restore, 1)):
                return scorer.score(
                    loaded.photo.composited(),
                    None if restored is None else restored.composited(),
                    None if loaded.reference is None else loaded.reference.composited(),
                )
        except Exception as error:
            raise_if_poisoned(error)
            _logger.warning("scoring %s failed", loaded.state.record.photo_id, exc_info=error)
            failure = failure_of(Stage.SCORE, error)
            text = f"{failure.error_type}: {failure.message}"
            return [Score(column.name, None, text) for column in scorer.columns]

    def _restore_together(self, batch: Sequence[LoadedPhoto]) -> Sequence[Restoration | PhotoFailure]:
        restorer = self.models.restorer
        if restorer is None:
            raise ValueError("this run does not restore: there is no restorer")
        seconds = self.settings.deadlines.restore
        deadline = Deadline("restoring", "deadlines.restore", seconds, len(batch))

        def on_step(done: float, total: int) -> None:
            self.on_step(done, total)
            deadline.check(f" (after {done:.3g} of {total} steps)", ", take fewer steps, or leave out the photo")

        with process_ends_after(stuck_after(seconds, len(batch))):
            return restorer.restore(
                [to_tensor(photo.photo) for photo in batch],
                prompts=[self.prompt(photo) for photo in batch],
                seeds=[photo.state.row.seed or 0 for photo in batch],
                samplings=[photo.state.sampling for photo in batch],
                palettes=[photo.palette for photo in batch],
                regions=[_regions_of(photo) for photo in batch],
                on_step=on_step,
            )


def _regions_of(loaded: LoadedPhoto) -> PhotoRegions | None:
    """Parts of a photo that a mask or what was found in it marks; None where there are none."""
    if loaded.mask is None and not loaded.state.row.regions:
        return None
    import torch

    from pasd_batch.pasd.regions import PhotoRegions

    mask = None if loaded.mask is None else torch.from_numpy(loaded.mask)
    photo = replace(loaded.photo, pixels=to_float(loaded.photo.pixels))
    return PhotoRegions(to_tensor(photo), mask, tuple(loaded.state.row.regions or ()))


def _errors_of(scores: Sequence[Score]) -> str | None:
    errors = [f"{score.name}: {score.error}" for score in scores if score.error]
    if not errors and all(score.value is None for score in scores):
        return "no metric of this run applies: all compare with a reference_uri, which the manifest does not give"
    return "; ".join(errors) or None


def raise_if_poisoned(error: Exception) -> None:
    """Tell errors after which a process can use its GPU no more.

    Raises:
        ProcessPoisoned: `error` is one.
    """
    from pasd_batch.pasd.memory import is_out_of_memory

    kinds = " ".join(base.__name__ for base in type(error).__mro__)
    full = "OutOfMemoryError" in kinds or is_out_of_memory(error)
    if isinstance(error, ProcessPoisoned) or (not full and _says_poisoned(f"{kinds} {error}")):
        raise ProcessPoisoned(f"the GPU is lost to this process: {error}") from error


def _says_poisoned(text: str) -> bool:
    # CUDA reports an illegal access once, and from then on fails every call of the process with the same error.
    return "AcceleratorError" in text or "CUDA error" in text
