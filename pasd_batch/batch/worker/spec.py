"""Specification of a run's workers."""

from dataclasses import dataclass, field

import pyarrow as pa

from pasd_batch.batch.worker.models import ModelLoaders
from pasd_batch.config.run import ImageDestination, RunMode, RunSettings
from pasd_batch.pasd.seeds import derived_seed
from pasd_batch.records import Provenance, ScoreColumn, result_schema
from pasd_batch.runs.run_file import fingerprint
from pasd_batch.runs.run_folder import RunFolder


@dataclass(frozen=True)
class WorkerSpec:
    """A run as its workers see it; can be sent to other processes."""

    settings: RunSettings
    provenance: Provenance
    score_columns: tuple[ScoreColumn, ...]
    extra_columns: tuple[pa.Field, ...]
    loaders: ModelLoaders
    plan_key: bytes = field(default=b"", repr=False)
    """Opens what the plan's URIs hide; told to workers, and stored nowhere."""
    logs_json: bool = False
    """True if workers write their log as JSON, as the driver does."""

    def folder(self) -> RunFolder:
        """The run's folder."""
        return RunFolder.open(self.settings.output.root, self.settings.storage)

    @property
    def keeps_files(self) -> bool:
        """True if restored photos become files."""
        return self.restores and self.settings.output.images is not ImageDestination.PARQUET

    @property
    def keeps_images_in_rows(self) -> bool:
        """True if restored photos become part of the result Parquet."""
        return self.restores and self.settings.output.images is not ImageDestination.FILES

    @property
    def restores(self) -> bool:
        """True if there is a model to run, not scores alone."""
        return self.settings.mode is RunMode.RESTORE

    @property
    def photo_fingerprint(self) -> str:
        """Fingerprint of the settings that decide a photo's file, which stands in it.

        Unlike the run's own it is the same in runs with other shards or scores, over other photos, and in `restore`.
        """
        settings = self.settings
        return fingerprint({"restoration": settings.restoration.decisive(), "file": settings.output.file.decisive()})

    def fingerprint_with(self, mask_sha256: str | None) -> str:
        """`photo_fingerprint`; another one for a photo that is restored with a mask, which decides its file, too."""
        own = self.photo_fingerprint
        return own if mask_sha256 is None else fingerprint({"photo": own, "mask": mask_sha256})

    @property
    def schema(self) -> pa.Schema:
        """Schema of the run's result shards."""
        return result_schema(
            self.extra_columns,
            self.score_columns,
            with_images=self.keeps_images_in_rows,
            with_audit=self.settings.mode is RunMode.AUDIT,
        )


def photo_seed(run_seed: int, photo_id: str) -> int:
    """A photo's own seed in [0, 2**63): the same wherever, whenever and with whomever it is restored."""
    return derived_seed(run_seed, photo_id)
