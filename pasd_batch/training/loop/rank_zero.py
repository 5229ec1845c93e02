"""Rank zero: the worker that writes log, validation, checkpoints, and the model at the end."""

import time
from collections.abc import Mapping

from pasd_batch.config.trainer import TrainerSettings
from pasd_batch.storage.storage import Storage
from pasd_batch.training.loop.checkpoints import prune, save_checkpoint
from pasd_batch.training.loop.stepping import Stepper
from pasd_batch.training.loop.task import TrainingTask
from pasd_batch.training.loop.training_log import TrainingLog
from pasd_batch.training.loop.validation import load_validation_photos, score_validation, to_png

_SECONDS_LEFT_ALONE = 60.0
"""Temporary files younger than this may belong to a running process."""


class RankZero:
    """Log, validation and checkpoints that are due after each step."""

    def __init__(
        self,
        task: TrainingTask,
        settings: TrainerSettings,
        stepper: Stepper,
        storage: Storage,
        first_step: int,
        frozen: Mapping[str, str],
    ) -> None:
        self._task = task
        self._settings = settings
        self._stepper = stepper
        self._storage = storage
        self._frozen = frozen
        self._photos = load_validation_photos(settings)
        storage.remove_partial(older_than=_SECONDS_LEFT_ALONE)
        self.saving_seconds = 0.0
        """Seconds that the last checkpoint took to write."""
        self._log = TrainingLog(storage, settings.log, first_step=first_step, steps=settings.steps)

    def after_step(self, step: int, values: Mapping[str, float] | None, *, skipped: int, is_last: bool) -> None:
        """Log, validate and save what is due after `step` steps; `is_last`: the time budget ends the training here."""
        settings = self._settings
        self._log.step_done(step, values)
        if self._photos and _due(step, settings.validation.every, settings.steps):
            self._validate(step)
        if is_last or _due(step, settings.checkpoints.every, settings.steps):
            began = time.monotonic()
            self._save(step, skipped)
            self.saving_seconds = time.monotonic() - began

    def finish(self) -> None:
        """Store the trained model at the top of the output."""
        with self._stepper.averaged():
            for path, data in self._task.model_files(self._settings.checkpoints.export_precision):
                self._storage.write(path, data)
        self._log.close()

    def _validate(self, step: int) -> None:
        # In float32, whatever the training's precision: the VAE is sound in nothing less.
        with self._stepper.averaged():
            restored = self._task.restore(self._photos)
        result = score_validation(self._photos, restored)
        self._log.write("validation", step, result.scores)
        for name, picture in result.pictures.items():
            self._storage.write(f"validation/step-{step:08d}/{name}", to_png(picture))
            self._log.picture(name, step, picture)

    def _save(self, step: int, skipped: int) -> None:
        # The log first: a resumed training cuts lines after the checkpoint, but cannot restore missing ones.
        self._log.flush()
        state = self._stepper.state()
        # Weights are copied, out of a GPU's memory, before the averages take their place for the export.
        state.weights = {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.weights.items()}
        facts = {"skipped": skipped, "frozen": dict(self._frozen)}
        with self._stepper.averaged():
            files = self._task.model_files(self._settings.checkpoints.export_precision)
            save_checkpoint(self._storage, step, state, facts, files)
        prune(self._storage, keep=self._settings.checkpoints.keep)


def line_due(step: int, settings: TrainerSettings) -> bool:
    """True if a line of the log is due after `step` steps."""
    # With every checkpoint too, so that a resumed training counts and averages as an uninterrupted one.
    return any(_due(step, every, settings.steps) for every in (settings.log.every, settings.checkpoints.every))


def _due(step: int, every: int, last: int) -> bool:
    return step % every == 0 or step == last
