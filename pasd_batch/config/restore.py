"""Settings of restoring local photos, without a run."""

import os
from typing import Annotated, Self

from pydantic import Field, model_validator

from pasd_batch.config.base import Settings
from pasd_batch.config.manifest import ManifestSettings
from pasd_batch.config.marks import RuntimeOnly
from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.config.photos import DecodeLimits, OutputSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.run import DeadlineSettings, RunOutputSettings, RunSettings
from pasd_batch.config.storage import LONGEST_WAIT, StorageSettings
from pasd_batch.config.workers import WorkerSettings


class LocalDeadlineSettings(DeadlineSettings):
    """Deadlines as in a run, but for the model: who waits for a photo sees its steps."""

    restore: float | None = Field(default=None, gt=0.0, le=LONGEST_WAIT)
    """Restoring one photo."""


class LocalOutputSettings(Settings):
    """Output of a restoration without a run."""

    file: OutputSettings = OutputSettings()
    """File format of the restored photos."""


class RestoreSettings(RestorationSettings):
    """Settings of `restore_photos` and `pasd-batch restore`: a run's, as far as they concern a photo."""

    output: LocalOutputSettings = LocalOutputSettings()
    """Output of restored photos."""

    limits: DecodeLimits = DecodeLimits()
    """Limits of photos, and of what decoding one may take."""

    deadlines: Annotated[LocalDeadlineSettings, RuntimeOnly()] = LocalDeadlineSettings()
    """Deadlines of one photo."""

    @model_validator(mode="after")
    def _nothing_for_nothing(self) -> Self:
        self.refuse_unused()
        self.output.file.refuse_unused()
        return self

    def as_run(self, root: str, *, photo_batch: int | None) -> RunSettings:
        """A run's settings that give the same photos, without scores, in the folder `root`; it may open all files."""
        return RunSettings(
            manifest=ManifestSettings(path="(photos of this machine)"),
            output=RunOutputSettings(root=root, file=self.output.file),
            workers=WorkerSettings(photo_batch=photo_batch),
            deadlines=self.deadlines,
            storage=StorageSettings(allowed_folders=frozenset({os.sep})),
            limits=self.limits,
            restoration=RestorationSettings(**{name: getattr(self, name) for name in RestorationSettings.model_fields}),
            metrics=MetricsSettings(no_reference=(), full_reference=()),
        )
