"""Rows of audit.parquet from a run's rows: measures under their short names, issues, severities and duplicates."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.audit.columns import COLUMNS, RENAMED, extra_name
from pasd_batch.audit.dataset import DatasetFacts
from pasd_batch.audit.groups import UNIQUE, DuplicateGroups
from pasd_batch.audit.issues import ISSUES, severities
from pasd_batch.config.audit import AuditSettings
from pasd_batch.photos.photo import ColorSource
from pasd_batch.records import AUDIT_TYPE, Status
from pasd_batch.runs.row_file import AUDIT_COLUMN

LARGEST_DEVIATION = 1000.0
_BITS = 64
_AS_IN_RESULTS = ("photo_id", "uri", "status", "error_message", "jpeg_quality", "color_mode", "page", "pages", "shard")

NEEDED = (*_AS_IN_RESULTS, *RENAMED.values(), AUDIT_COLUMN, "scores")
"""Columns of the results that rows are made of, besides those of the manifest."""

_Numbers = dict[str, np.ndarray]


def audit_rows(rows: pa.Table, first: int, facts: DatasetFacts, settings: AuditSettings) -> pa.Table:
    """The rows of an audit for those of a run, of which the first is number `first` in the plan's order."""
    groups = facts.groups.of(np.arange(first, first + rows.num_rows))
    arrays: dict[str, Any] = {name: rows[name] for name in _AS_IN_RESULTS}
    arrays |= {name: rows[source] for name, source in RENAMED.items()}
    arrays |= {field.name: pc.struct_field(rows[AUDIT_COLUMN], field.name) for field in AUDIT_TYPE}
    numbers = {name: _numbers(array) for name, array in arrays.items() if _is_number(array.type)}
    derived = _derived(numbers, facts)
    found = severities(numbers | derived | _told(arrays, groups), settings)
    arrays |= {name: _nullable(values) for name, values in derived.items()}
    arrays |= _issue_columns(found, rows.num_rows) | _duplicate_columns(groups, facts)
    schema = pa.schema([pa.field(column.name, column.type, column.nullable) for column in COLUMNS])
    table = pa.table({name: arrays[name] for name in schema.names}, schema=schema)
    for name in rows.column_names:
        if name == "scores" or name not in NEEDED:
            table = table.append_column("scores" if name == "scores" else extra_name(name), rows[name])
    return table.replace_schema_metadata(rows.schema.metadata)


def _derived(numbers: _Numbers, facts: DatasetFacts) -> _Numbers:
    """Measures that follow from those of a row."""
    width, height = numbers["width"], numbers["height"]
    inside = width - numbers["border_left"] - numbers["border_right"]
    inside = inside * (height - numbers["border_top"] - numbers["border_bottom"])
    side = np.sqrt(width * height)
    low, high = facts.quartiles or (np.nan, np.nan)
    beyond = np.maximum(np.maximum(low - side, side - high), 0.0)
    range_ = max(high - low, high / LARGEST_DEVIATION)  # photos of one size have none, and any other one is odd
    return {
        "contrast": numbers["brightness_99"] - numbers["brightness_01"],
        "border": 1.0 - inside / (width * height),
        "aspect": np.minimum(width, height) / np.maximum(width, height),
        "side": side,
        "size_deviation": np.minimum(beyond / range_, LARGEST_DEVIATION),
    }


def _told(arrays: Mapping[str, Any], groups: DuplicateGroups) -> _Numbers:
    """Facts that issues go by beside measures: 0 or 1, and bits in which a photo is like another one."""
    colors = arrays["colors"]
    odd = pc.is_in(colors, pa.array([ColorSource.IGNORED.value, ColorSource.CONVERTED.value]))
    is_other = (groups.kept != UNIQUE) & (groups.kept != groups.numbers)
    near = is_other & ~groups.exact
    return {
        "failed": _numbers(pc.equal(arrays["status"], Status.FAILED.value)),
        "odd_profile": _numbers(odd),
        "no_profile": _numbers(pc.equal(colors, ColorSource.NONE.value)),
        "exact_duplicate_of_another": groups.exact.astype(np.float64),
        "likeness": np.where(near, _BITS - groups.distances, np.nan),
    }


def _issue_columns(found: _Numbers, count: int) -> dict[str, pa.Array]:
    names = np.array(list(found), dtype=object)
    every = np.stack([*found.values()]) if found else np.empty((0, count))
    filled = np.nan_to_num(every, nan=-1.0)
    order = np.argsort(-filled, axis=0, kind="stable").T
    has = np.take_along_axis(filled.T, order, axis=1) >= 0.0
    offsets = np.concatenate([[0], np.cumsum(has.sum(axis=1))]).astype(np.int32)
    unknown = pa.nulls(count, pa.float32())
    columns = [_nullable(found[issue.name]).cast(pa.float32()) if issue.name in found else unknown for issue in ISSUES]
    return {
        "issues": pa.ListArray.from_arrays(offsets, pa.array(names[order[has]], pa.string())),
        "severity": pa.array(filled.max(axis=0, initial=0.0)),
        "severities": pa.StructArray.from_arrays(columns, names=[issue.name for issue in ISSUES]),
    }


def _duplicate_columns(groups: DuplicateGroups, facts: DatasetFacts) -> dict[str, pa.Array]:
    kept = zip(groups.kept.tolist(), groups.numbers.tolist(), strict=True)
    others = [None if number in (UNIQUE, own) else facts.kept_ids[number] for number, own in kept]
    return {
        "duplicate_of": pa.array(others, pa.string()),
        "duplicate_distance": pa.array(groups.distances.astype(np.int32), mask=groups.kept == UNIQUE),
        "duplicates": pa.array((groups.sizes - 1).astype(np.int32)),
    }


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)


def _numbers(array: Any) -> np.ndarray:
    """As float64, NaN for null."""
    whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_boolean(whole.type):
        whole = whole.cast(pa.int8())
    return whole.cast(pa.float64()).to_numpy(zero_copy_only=False)


def _nullable(values: np.ndarray) -> pa.Array:
    return pa.array(values, pa.float64(), mask=np.isnan(values))
