"""The row types that flow through a run, and their Arrow schemas: plan rows in, result rows out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

import pyarrow as pa

SCORE_METADATA_KEY = b"pasd_batch.scores"
RENAMED_PREFIX = "manifest_"


class Stage(StrEnum):
    """Stage of a photo's way through a worker."""

    FETCH = "fetch"
    DECODE = "decode"
    REFERENCE = "reference"
    RESTORE = "restore"
    SCORE = "score"
    ENCODE = "encode"
    STORE = "store"
    PROCESS = "process"


class Status(StrEnum):
    """Outcome of a photo."""

    OK = "ok"
    FAILED = "failed"


@dataclass(frozen=True)
class PhotoRecord:
    """One photo as planned: a manifest row with its id and its place in the output tree."""

    photo_id: str
    uri: str
    output_path: str
    """Relative to `RUN/images`, mirrored from the source, with the output format's suffix."""
    prompt: str | None = None
    reference_uri: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    """The manifest's other columns, under the names `extra_column_name` gives them."""

    row: int = 0
    """Its place among the shard's rows."""

    source_root: str | None = None
    """Path or URI of the folder that all photos of the manifest have in common, if there is one."""


@dataclass(frozen=True)
class PhotoFailure:
    """Failure of a photo: where it failed, the error's class, and a message that says what to do."""

    stage: Stage
    error_type: str
    message: str


@dataclass(frozen=True)
class Score:
    """One number about one photo; where a metric does not apply `value` is None and `error` says why."""

    name: str
    value: float | None
    error: str | None = None


@dataclass(frozen=True)
class FoundObject:
    """Objects of one kind in a photo: their name, number, and the score of the surest."""

    name: str
    count: int
    score: float


@dataclass(frozen=True)
class Description:
    """High-level information about a photo, as far as describers were sure of it."""

    caption: str | None = None
    objects: tuple[FoundObject, ...] = ()
    class_name: str | None = None
    class_score: float | None = None


@dataclass(frozen=True)
class ScoreColumn:
    """Definition of a score: its column name, the better direction, and what computed it."""

    name: str
    higher_is_better: bool
    description: str = ""
    source: str = ""
    """Library and version, such as `pyiqa 0.1.15`."""


@dataclass(frozen=True)
class ImageFacts:
    """An encoded image as it was read or stored; sizes in pixels, after the EXIF orientation was applied."""

    sha256: str
    bytes: int
    width: int | None = None
    height: int | None = None
    format: str | None = None


def result_column(type_: pa.DataType, description: str) -> Any:
    """A dataclass field that is a column of the results under its own name; the description is that of the docs."""
    return field(metadata={"type": type_, "description": description})


@dataclass(frozen=True, kw_only=True)
class RestorationReport:
    """Work that a restoration was; rows take its fields as they are."""

    tiles: int = result_column(pa.int32(), "Tiles it was denoised in.")
    tile_size: int = result_column(pa.int32(), "Side of the largest square tile, in latent pixels.")
    tile_batch: int = result_column(pa.int32(), "Tiles that went through the networks together.")
    out_of_memory_retries: int = result_column(
        pa.int32(), "How often memory ran out and the tile batch, then the tile, was halved."
    )
    float32_retry: bool = result_column(
        pa.bool_(),
        "It was restored again in float32, because the faster type gave numbers that are not finite.",
    )


@dataclass(frozen=True)
class RestoredPhoto:
    """A restored photo as it was stored."""

    output: ImageFacts
    output_uri: str | None
    prompt_used: str
    report: RestorationReport
    encoded: bytes | None = None
    """The stored file's bytes, where the run keeps images in Parquet."""


@dataclass(frozen=True)
class Provenance:
    """Provenance that a run's rows have in common: which configuration, manifest and model made them."""

    config_fingerprint: str
    manifest_fingerprint: str
    model_fingerprint: str | None
    software: str


@dataclass(frozen=True)
class WorkOrigin:
    """Origin of a row: the attempt, the shard and the process that made it."""

    shard: int
    attempt: int
    worker: str
    isolated: bool = False


_STAGE_SECONDS = (
    Stage.FETCH,
    Stage.DECODE,
    Stage.REFERENCE,
    Stage.RESTORE,
    Stage.SCORE,
    Stage.ENCODE,
    Stage.STORE,
)

PLAN_SCHEMA = pa.schema(
    [
        pa.field("photo_id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("output_path", pa.string(), nullable=False),
        pa.field("prompt", pa.string()),
        pa.field("reference_uri", pa.string()),
    ]
)
"""The first columns of every plan shard; the manifest's other columns follow, with their own types."""

IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""An image inside Parquet, as Hugging Face `datasets` stores it."""

RESULT_SCHEMA = pa.schema(
    [
        pa.field("photo_id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("error_stage", pa.string()),
        pa.field("error_type", pa.string()),
        pa.field("error_message", pa.string()),
        pa.field("warnings", pa.list_(pa.string())),
        pa.field("output_path", pa.string()),
        pa.field("output_uri", pa.string()),
        pa.field("input_sha256", pa.string()),
        pa.field("input_bytes", pa.int64()),
        pa.field("input_format", pa.string()),
        pa.field("input_width", pa.int32()),
        pa.field("input_height", pa.int32()),
        pa.field("output_sha256", pa.string()),
        pa.field("output_bytes", pa.int64()),
        pa.field("output_format", pa.string()),
        pa.field("output_width", pa.int32()),
        pa.field("output_height", pa.int32()),
        pa.field("scale", pa.float64()),
        pa.field("seed", pa.int64()),
        pa.field("prompt", pa.string()),
        pa.field("prompt_used", pa.string()),
        pa.field("reference_uri", pa.string()),
        *(pa.field(each.name, each.metadata["type"]) for each in fields(RestorationReport)),
        pa.field("config_fingerprint", pa.string(), nullable=False),
        pa.field("manifest_fingerprint", pa.string(), nullable=False),
        pa.field("model_fingerprint", pa.string()),
        pa.field("software", pa.string(), nullable=False),
        pa.field("shard", pa.int32(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),
        pa.field("worker", pa.string(), nullable=False),
        pa.field("isolated", pa.bool_(), nullable=False),
        pa.field("finished_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("seconds", pa.struct([(stage.value, pa.float64()) for stage in _STAGE_SECONDS])),
        pa.field("score_errors", pa.string()),
    ]
)
"""The columns of every run's results; `result_schema` adds scores, images and the manifest's others."""

RESERVED_COLUMNS = frozenset({*PLAN_SCHEMA.names, *RESULT_SCHEMA.names, "scores", "image"})


def extra_column_name(name: str) -> str:
    """Name under which a manifest's further column is carried: its own, prefixed where a run uses that name.

    Case is ignored in the comparison, because SQL engines ignore it in column names.
    """
    return f"{RENAMED_PREFIX}{name}" if name.lower() in RESERVED_COLUMNS else name


def plan_schema(extra: Sequence[pa.Field]) -> pa.Schema:
    """Schema of a run's plan shards, the same for all of them; `extra` are the manifest's other columns.

    Raises:
        ValueError: an extra column has a reserved name, or two have the same one.
    """
    reserved = sorted(column.name for column in extra if extra_column_name(column.name) != column.name)
    if reserved:
        raise ValueError(f"manifest columns {reserved} have names a run uses; rename with extra_column_name")
    names = [column.name.lower() for column in extra]
    twice = sorted(column.name for column in extra if names.count(column.name.lower()) > 1)
    if twice:
        raise ValueError(
            f"manifest columns {twice} are there twice, as SQL engines ignore case in names; "
            "rename all but one of each in the manifest"
        )
    return pa.schema([*PLAN_SCHEMA, *extra])


def extra_columns(schema: pa.Schema) -> list[pa.Field]:
    """The manifest's other columns in a plan shard's schema."""
    return [column.remove_metadata() for column in schema if column.name not in PLAN_SCHEMA.names]


def result_schema(extra: Sequence[pa.Field], scores: Sequence[ScoreColumn], *, with_images: bool) -> pa.Schema:
    """Schema of a run's result shards, the same for all of them.

    Scores are one struct column `scores` (absent without metrics, as Parquet has no empty struct); what they
    mean is in the schema's metadata under `pasd_batch.scores`, as JSON by score name.
    """
    columns = list(RESULT_SCHEMA)
    if scores:
        columns.append(pa.field("scores", pa.struct([(score.name, pa.float64()) for score in scores])))
    if with_images:
        columns.append(pa.field("image", IMAGE_TYPE))
    columns.extend(extra)
    return pa.schema(columns, metadata=_metadata(scores, with_images=with_images))


def lacks_scores(row: Mapping[str, Any]) -> bool:
    """True if a result row (from `Table.to_pylist`) that is not failed has no score at all, in a run that scores."""
    scores = row.get("scores")
    return row["status"] == Status.OK and scores is not None and all(value is None for value in scores.values())


def records_of(plan: pa.Table, source_root: str | None = None) -> list[PhotoRecord]:
    """The photos of a shard's plan, in its order."""
    return [_record(values, row, source_root) for row, values in enumerate(plan.to_pylist())]


def _record(values: Mapping[str, Any], row: int, source_root: str | None) -> PhotoRecord:
    own = {name: values[name] for name in PLAN_SCHEMA.names}
    extra = {name: value for name, value in values.items() if name not in own}
    return PhotoRecord(**own, extra=extra, row=row, source_root=source_root)


def _metadata(scores: Sequence[ScoreColumn], *, with_images: bool) -> dict[bytes, bytes]:
    meanings = {
        score.name: {
            "higher_is_better": score.higher_is_better,
            "description": score.description,
            "source": score.source,
        }
        for score in scores
    }
    metadata = {SCORE_METADATA_KEY: json.dumps(meanings, sort_keys=True).encode()}
    if with_images:
        # Hugging Face `datasets` takes the types of the columns named here and infers the others.
        features = {"image": {"_type": "Image"}}
        metadata[b"huggingface"] = json.dumps({"info": {"features": features}}).encode()
    return metadata
