"""Planned photos, and the schema of the plan that holds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pasd_batch.records.columns import columns_of
from pasd_batch.records.result_row import ResultRow

RENAMED_PREFIX = "manifest_"


@dataclass(frozen=True)
class PhotoRecord:
    """One photo as planned: a manifest row with its id and its place in the output tree."""

    photo_id: str
    uri: str
    output_path: str
    """Relative to `RUN/images`, mirrored from the source, with the output format's suffix."""
    prompt: str | None = None
    reference_uri: str | None = None
    color_reference_uri: str | None = None
    mask_uri: str | None = None
    settings: str | None = None
    """Sampling settings that the manifest has for this photo, as a JSON object by their names."""

    extra: dict[str, Any] = field(default_factory=dict)
    """The manifest's other columns, under the names `extra_column_name` gives them."""

    row: int = 0
    """Its place among the shard's rows."""

    source_root: str | None = None
    """Path or URI of the folder that all photos of the manifest have in common, if there is one."""


PLAN_SCHEMA = pa.schema(
    [
        pa.field("photo_id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("output_path", pa.string(), nullable=False),
        pa.field("prompt", pa.string()),
        pa.field("reference_uri", pa.string()),
        pa.field("settings", pa.string()),
        pa.field("color_reference_uri", pa.string()),
        pa.field("mask_uri", pa.string()),
    ]
)
"""The first columns of every plan shard; the manifest's other columns follow, with their own types."""

URI_COLUMNS = ("uri", "reference_uri", "color_reference_uri", "mask_uri")
"""Those of them that are URIs: resolved, checked, and sealed where they hide something."""

RESERVED_COLUMNS = frozenset({*PLAN_SCHEMA.names, *(column.name for column in columns_of(ResultRow))})


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


def records_of(plan: pa.Table, source_root: str | None = None) -> list[PhotoRecord]:
    """The photos of a shard's plan, in its order."""
    return [_record(values, row, source_root) for row, values in enumerate(plan.to_pylist())]


def _record(values: Mapping[str, Any], row: int, source_root: str | None) -> PhotoRecord:
    own = {name: values[name] for name in PLAN_SCHEMA.names if name in values}  # earlier versions planned fewer
    extra = {name: value for name, value in values.items() if name not in own}
    return PhotoRecord(**own, extra=extra, row=row, source_root=source_root)
