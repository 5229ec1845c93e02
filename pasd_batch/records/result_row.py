"""The row of a photo in the results, column by column: type, meaning and value of each in one definition."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import pyarrow as pa

from pasd_batch.records.columns import columns_of, result_column, result_columns, values_of
from pasd_batch.records.description import DESCRIPTION_TYPE, REGION_TYPE, Description, FoundBox
from pasd_batch.records.photo_facts import (
    PASS_TYPE,
    DegradationEstimate,
    ImageFacts,
    PassResult,
    RestorationReport,
    StoredForm,
)
from pasd_batch.records.photo_measures import AUDIT_TYPE, PhotoMeasures
from pasd_batch.records.provenance import Provenance, WorkOrigin

IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""An image inside Parquet, as Hugging Face `datasets` stores it."""


class Stage(StrEnum):
    """Stage of a photo's way through a worker."""

    SETTINGS = "settings"
    FETCH = "fetch"
    DECODE = "decode"
    REFERENCE = "reference"
    MASK = "mask"
    DESCRIBE = "describe"
    RESTORE = "restore"
    SCORE = "score"
    ENCODE = "encode"
    STORE = "store"
    PROCESS = "process"


class Status(StrEnum):
    """Outcome of a photo."""

    OK = "ok"
    FAILED = "failed"


_WITHOUT_TIME = (Stage.SETTINGS, Stage.PROCESS)
_SECONDS_TYPE = pa.struct([(stage.value, pa.float64()) for stage in Stage if stage not in _WITHOUT_TIME])


@dataclass(frozen=True)
class PhotoFailure:
    """Failure of a photo: where it failed, the error's class, and a message that says what to do."""

    stage: Stage = result_column(
        pa.string(),
        "Where it failed: `settings` (its own in the manifest), `fetch`, `decode`, `reference`, `mask`, `restore`, "
        "`encode`, `store`, or `process` (it ended its process). Scores that cannot be had are no failure. Null when "
        "`ok`.",
    )
    error_type: str = result_column(pa.string(), "The error's class, to group failures by.", name="type")
    message: str = result_column(pa.string(), "What is wrong and what to do about it.")


@dataclass(kw_only=True)
class ResultRow:
    """A photo's row in progress: each field is the result column of its name, or the columns of a value of its own.

    A new column is a field here, or in one of those values, and a stage that sets it; `make docs` documents it.
    Values are set whole and not changed afterwards, so that a row is right at any moment.
    """

    photo_id: str = result_column(
        pa.string(), "The photo's id: the manifest's, or derived from its URI. Unique within a run.", nullable=False
    )
    uri: str = result_column(
        pa.string(),
        "The photo as the plan names it, resolved against the manifest. Of a URI with a scheme, user, password, "
        "fragment and all values of the query are `***`; local paths are as they are.",
        nullable=False,
    )
    status: Status = result_column(pa.string(), "`ok` or `failed`.", nullable=False, default=Status.OK)
    failure: PhotoFailure | None = result_columns(PhotoFailure, prefix="error_", default=None)
    warnings: list[str] = result_column(
        pa.list_(pa.string()),
        "What was wrong with a photo that was used all the same: metadata left out, a profile ignored, damage, words "
        "that its prompt lacks. Empty where nothing was; the true photo's (`reference_uri`) begin with `reference:`, "
        "those of `color_reference_uri` with `color reference:`, those of `mask_uri` with `mask:`.",
        default_factory=list,
    )
    output_path: str | None = result_column(
        pa.string(),
        "Where the restored photo lies, relative to `RUN/images`; also the `path` of `image`. What `uri` hides is "
        "`_`. Null for a failed photo and in `mode: score` and `audit`.",
        of_result=True,
        default=None,
    )
    output_uri: str | None = result_column(
        pa.string(),
        "The restored file's full address. Null unless `output.images` is `files` or `both`.",
        of_result=True,
        default=None,
    )
    passes: list[PassResult] | None = result_column(
        pa.list_(PASS_TYPE),
        "What the passes before the last made, in order, where `output.passes` asks for it: files below `RUN/passes/1` "
        "and so on, each with address, SHA-256, size and pixels. Null otherwise.",
        of_result=True,
        default=None,
    )
    input: ImageFacts | None = result_columns(ImageFacts, prefix="input_", subject="the photo as fetched", default=None)
    input_version: str | None = result_column(
        pa.string(),
        "What tells the photo as fetched from later ones at its place: the store's ETag, or the time of a file's last "
        "change. Only in runs with `manifest.only_new`.",
        default=None,
    )
    page: int | None = result_column(
        pa.int32(),
        "Page of the file, counted from 1, that the row is of, where the manifest names one; null: the first.",
        default=None,
    )
    stored_form: StoredForm | None = result_columns(StoredForm, default=None)
    degradation: DegradationEstimate | None = result_columns(DegradationEstimate, default=None)
    output: ImageFacts | None = result_columns(
        ImageFacts, prefix="output_", subject="the stored photo", of_result=True, default=None
    )
    scale: float | None = result_column(pa.float64(), "Output size / input size that was asked for.", default=None)
    seed: int | None = result_column(
        pa.int64(),
        "The photo's own seed: the manifest's (`manifest.columns.seed`), or derived from the run's seed and "
        "`photo_id`; the same photo gives the same pixels.",
        default=None,
    )
    prompt: str | None = result_column(
        pa.string(), "The manifest's prompt for this photo, null if it has none.", default=None
    )
    description: Description | None = result_column(
        DESCRIPTION_TYPE,
        "What describers saw in the photo: `caption`, `objects` (a list of `name`, `count` and the best `score`), "
        "`class_name` and `class_score`. What none was asked for, or none was sure of, is null or empty.",
        default=None,
    )
    prompt_used: str | None = result_column(
        pa.string(),
        "The whole prompt the model was given. In `mode: describe` that of the manifest which is written.",
        of_result=True,
        default=None,
    )
    reference_uri: str | None = result_column(
        pa.string(),
        "The true photo that full-reference metrics compare with, if the manifest names one.",
        default=None,
    )
    reference_sha256: str | None = result_column(
        pa.string(), "SHA-256 (hex) of the bytes of the true photo.", default=None
    )
    reference_version: str | None = result_column(
        pa.string(), "What tells the true photo from later ones at its place, as `input_version`.", default=None
    )
    color_reference_uri: str | None = result_column(
        pa.string(),
        "The photo whose palette the result has, if the manifest names one ([color_reference](color_reference.md)).",
        default=None,
    )
    color_reference_sha256: str | None = result_column(
        pa.string(), "SHA-256 (hex) of the bytes of the colour reference.", default=None
    )
    color_reference_version: str | None = result_column(
        pa.string(), "What tells the colour reference from later ones at its place, as `input_version`.", default=None
    )
    mask_uri: str | None = result_column(
        pa.string(),
        "The mask that says where the photo is restored, if the manifest names one ([regions](regions.md)).",
        default=None,
    )
    mask_sha256: str | None = result_column(pa.string(), "SHA-256 (hex) of the mask's bytes.", default=None)
    mask_version: str | None = result_column(
        pa.string(), "What tells the mask from later ones at its place, as `input_version`.", default=None
    )
    regions: list[FoundBox] | None = result_column(
        pa.list_(REGION_TYPE),
        "What a detector found of the classes in `sampling.regions`: `name`, `score` and the box (`left`, `top`, "
        "`right`, `bottom`, in pixels of the photo as fetched, the last two excluded). Empty where nothing was found; "
        "null without regions.",
        default=None,
    )
    restoration: RestorationReport | None = result_columns(RestorationReport, of_result=True, default=None)
    provenance: Provenance = result_columns(Provenance)
    origin: WorkOrigin = result_columns(WorkOrigin)
    finished_at: datetime | None = result_column(
        pa.timestamp("us", tz="UTC"), "When the row was made.", nullable=False, default=None
    )
    seconds: dict[Stage, float] = result_column(
        _SECONDS_TYPE,
        "Time in each stage: `fetch`, `decode`, `reference`, `mask`, `describe`, `restore`, `score`, `encode`, "
        "`store`. Photos described or restored together share their time equally.",
        default_factory=dict,
    )
    worker_seconds: float | None = result_column(
        pa.float64(),
        "The photo's share of its worker's time, of which its cost is made: the time that the worker was at the shard, "
        "loading models included, in equal shares.",
        default=None,
    )
    score_errors: str | None = result_column(
        pa.string(),
        "Why scores are null, metric by metric; null when nothing went wrong.",
        of_result=True,
        default=None,
    )
    scores: dict[str, float | None] | None = result_column(
        pa.struct([]),
        "One number per metric (below). Null where a metric does not apply or could not be computed; a photo of which "
        "no score at all could be had stays `ok`. Absent in a run without metrics.",
        optional=True,
        of_result=True,
        default=None,
    )
    audit: PhotoMeasures | None = result_column(
        AUDIT_TYPE,
        "Measures of the photo as fetched, in `mode: audit` alone ([audit](audit.md)): exposure, colours, borders, "
        "camera, hashes.",
        optional=True,
        default=None,
    )
    image: dict[str, Any] | None = result_column(
        IMAGE_TYPE,
        "The restored photo itself, where `output.images` is `parquet` or `both`; Hugging Face `datasets` reads it "
        "as an image.",
        optional=True,
        of_result=True,
        default=None,
    )

    def values(self) -> dict[str, Any]:
        """A value for every column, as it is now; None for those that describe a result if the photo failed."""
        of_no_result = [column.name for column in columns_of(type(self)) if column.of_result]
        return values_of(self) | (dict.fromkeys(of_no_result) if self.status is Status.FAILED else {})
