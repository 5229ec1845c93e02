"""Settings of a run: what goes in, where it comes out, and with which workers and patience."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from pasd_batch.config.audit import AuditSettings
from pasd_batch.config.base import Place, Settings
from pasd_batch.config.manifest import ManifestSettings
from pasd_batch.config.marks import RuntimeOnly
from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.config.on_finish import OnFinishSettings
from pasd_batch.config.photos import DecodeLimits, OutputSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.sampling import ColorFix
from pasd_batch.config.storage import LONGEST_WAIT, StorageSettings
from pasd_batch.config.workers import WorkerSettings


class RunMode(StrEnum):
    """Stages of a run."""

    RESTORE = "restore"
    SCORE = "score"
    DESCRIBE = "describe"
    AUDIT = "audit"

    @property
    def has_model(self) -> bool:
        """True if photos go through a restorer or describers; else they are looked at as they are."""
        return self in (RunMode.RESTORE, RunMode.DESCRIBE)


class ImageDestination(StrEnum):
    """Place of restored photos."""

    FILES = "files"
    PARQUET = "parquet"
    BOTH = "both"


class RunOutputSettings(Settings):
    """Output: where everything a run makes is stored."""

    root: Annotated[Place, RuntimeOnly()]
    """Folder or prefix of the run (local path or URI); belongs to this one run."""

    images: ImageDestination = ImageDestination.FILES
    """Restored photos as files below `images/`, inside the result Parquet, or both."""

    file: OutputSettings = OutputSettings()
    """File format of the restored photos."""

    passes: bool = False
    """Results of all but the last of `restoration.passes`, too, as files below `passes/`."""

    manifest: Annotated[str | None, RuntimeOnly()] = None
    """Manifest of the described photos, a Parquet file that `mode: describe` writes when it is complete. It has URIs as
    the manifest has them, with their credentials, which nothing in `root` has: so its place is another one."""

    max_shard_mib: int = Field(default=2048, ge=1, le=4096)
    """Most MiB of images one result Parquet may hold (it is one upload); photos beyond it fail."""


class DeadlineSettings(Settings):
    """Seconds after which a photo is given up, as a failed row (but for `describe`); none: never."""

    fetch: float | None = Field(default=120.0, gt=0.0, le=LONGEST_WAIT)
    """Fetching a photo (and its reference), retries included, and decoding it. Waiting for memory does not count."""

    describe: float | None = Field(default=120.0, gt=0.0, le=LONGEST_WAIT)
    """Describing one photo; what is not said by then is missing in its prompt, and costs nothing else."""

    restore: float | None = Field(default=3600.0, gt=0.0, le=LONGEST_WAIT)
    """Restoring and scoring one photo; a model call that outlives it many times over ends the process."""

    store: float | None = Field(default=300.0, gt=0.0, le=LONGEST_WAIT)
    """Encoding and storing the restored photo, retries included."""


class RunSettings(Settings):
    """A whole run: manifest in, restored photos and one scored row per photo out."""

    mode: RunMode = RunMode.RESTORE
    """`restore`: restored photos and their scores; `score`: scores of the photos as they are; `describe`: a manifest
    with prompts, from what is in the photos; `audit`: what is wrong with the photos, and which are duplicates."""

    manifest: Annotated[ManifestSettings, RuntimeOnly()]
    """The photos to work on; the manifest has a fingerprint of its own."""

    output: RunOutputSettings
    """Output of the run."""

    shard_size: int = Field(default=32, ge=1, le=100_000)
    """Photos whose rows are committed together; what a crash can cost in repeated work."""

    workers: Annotated[WorkerSettings, RuntimeOnly()] = WorkerSettings()
    """Worker processes and their resources."""

    max_attempts: Annotated[int, RuntimeOnly()] = Field(default=3, ge=1)
    """Crashes of a process after which a shard's photos are run one by one, each in a process of its own."""

    max_error_rate: Annotated[float, RuntimeOnly()] = Field(default=0.05, ge=0.0, le=1.0)
    """Share of failed photos above which a finished run ends with a non-zero exit code."""

    deadlines: Annotated[DeadlineSettings, RuntimeOnly()] = DeadlineSettings()
    """Deadlines of one photo."""

    storage: Annotated[StorageSettings, RuntimeOnly()] = StorageSettings()
    """Storage settings: URI schemes that are opened, and retries."""

    on_finish: Annotated[OnFinishSettings, RuntimeOnly()] = OnFinishSettings()
    """A webhook or command that is told how the run has ended."""

    limits: DecodeLimits = DecodeLimits()
    """Limits of a photo."""

    restoration: RestorationSettings = Field(default_factory=RestorationSettings)
    """The model and how to use it; not used by `mode: score` and `audit`, and but for `describe` not by `describe`."""

    metrics: MetricsSettings = MetricsSettings()
    """Scores that are computed."""

    audit: Annotated[AuditSettings, RuntimeOnly()] = AuditSettings()
    """Thresholds of issues in `mode: audit`, which a complete audit may change: measures do not depend on them."""

    def decisive(self) -> dict[str, Any]:
        """The settings that decide what comes out in this mode, as plain values."""
        chosen = super().decisive()
        match self.mode:
            case RunMode.SCORE | RunMode.AUDIT:
                del chosen["restoration"]
            case RunMode.DESCRIBE:
                del chosen["metrics"]
                first = self.restoration.in_order[0].decisive()
                chosen["restoration"] = {
                    "describe": chosen["restoration"]["describe"],
                    "model": {"dtype": first["model"]["dtype"]},
                    "sampling": {"prompt": first["sampling"]["prompt"]},
                }
        return chosen

    @model_validator(mode="after")
    def _something_to_describe(self) -> Self:
        if self.mode is RunMode.DESCRIBE and not self.restoration.describe.describers:
            raise ValueError(
                "mode describe needs a describer; name weights in restoration.describe.caption, detect or classify"
            )
        if self.mode is RunMode.DESCRIBE and self.output.manifest is None:
            raise ValueError("mode describe writes a manifest; name its file in output.manifest")
        if self.output.manifest is not None and self.mode is not RunMode.DESCRIBE:
            raise ValueError(f"output.manifest is written by mode describe, not {self.mode.value}; leave it out")
        if self.output.manifest == self.manifest.path:
            raise ValueError("output.manifest is manifest.path, which would be lost; name another file")
        return self

    @model_validator(mode="after")
    def _nothing_for_nothing(self) -> Self:
        if self.mode is RunMode.RESTORE:
            self.restoration.refuse_unused()
            self.output.file.refuse_unused()
        return self

    @model_validator(mode="after")
    def _references_for_colors(self) -> Self:
        column = self.manifest.columns.color_reference_uri
        if (
            self.mode is RunMode.RESTORE
            and column
            and self.restoration.last.sampling.color_fix is not ColorFix.REFERENCE
        ):
            raise ValueError(
                f"manifest.columns.color_reference_uri is {column}, which nothing uses; set "
                "restoration.sampling.color_fix to reference, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _passes_to_store(self) -> Self:
        if not self.output.passes:
            return self
        if self.mode is not RunMode.RESTORE or not self.restoration.passes:
            raise ValueError(
                "output.passes stores what is between restoration.passes, of which there are none; leave it out"
            )
        if self.output.images is ImageDestination.PARQUET:
            raise ValueError("output.passes stores files, and output.images is parquet; set it to files or both")
        return self

    @property
    def stored_passes(self) -> int:
        """Number of passes before the last whose results are stored."""
        return len(self.restoration.passes) - 1 if self.output.passes else 0

    @model_validator(mode="after")
    def _something_to_score(self) -> Self:
        if self.mode is RunMode.SCORE and not (self.metrics.no_reference or self.metrics.full_reference):
            raise ValueError("mode score needs a metric; name one in metrics.no_reference or metrics.full_reference")
        return self
