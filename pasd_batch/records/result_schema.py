"""Schema of the results, which follows from `ResultRow`; and the scores that a run adds to it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pasd_batch.records.columns import columns_of
from pasd_batch.records.photo_measures import AUDIT_TYPE
from pasd_batch.records.result_row import IMAGE_TYPE, ResultRow, Status

SCORE_METADATA_KEY = b"pasd_batch.scores"


@dataclass(frozen=True)
class Score:
    """One number about one photo; where a metric does not apply `value` is None and `error` says why."""

    name: str
    value: float | None
    error: str | None = None


@dataclass(frozen=True)
class ScoreColumn:
    """Definition of a score: its column name, the better direction, and what computed it."""

    name: str
    higher_is_better: bool
    description: str = ""
    source: str = ""
    """Library and version, such as `pyiqa 0.1.15`."""


RESULT_SCHEMA = pa.schema(
    pa.field(column.name, column.type, nullable=column.nullable)
    for column in columns_of(ResultRow)
    if not column.optional
)
"""The columns of every run's results; `result_schema` adds scores, measures, images and the manifest's others."""


def result_schema(
    extra: Sequence[pa.Field], scores: Sequence[ScoreColumn], *, with_images: bool, with_audit: bool = False
) -> pa.Schema:
    """Schema of a run's result shards, the same for all of them.

    Scores are one struct column `scores` (absent without metrics, as Parquet has no empty struct); what they
    mean is in the schema's metadata under `pasd_batch.scores`, as JSON by score name.
    """
    columns = list(RESULT_SCHEMA)
    if scores:
        columns.append(pa.field("scores", pa.struct([(score.name, pa.float64()) for score in scores])))
    if with_audit:
        columns.append(pa.field("audit", AUDIT_TYPE))
    if with_images:
        columns.append(pa.field("image", IMAGE_TYPE))
    columns.extend(extra)
    return pa.schema(columns, metadata=_metadata(scores, with_images=with_images))


def lacks_scores(row: Mapping[str, Any]) -> bool:
    """True if a result row (from `Table.to_pylist`) that is not failed has no score at all, in a run that scores."""
    scores = row.get("scores")
    return row["status"] == Status.OK and scores is not None and all(value is None for value in scores.values())


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
