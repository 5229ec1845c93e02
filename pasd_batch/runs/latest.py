"""Rows of several runs as one Parquet file: all, or the latest of each photo."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.writing import is_parquet_with, refuse_other_file, refuse_other_formats, write_parquet
from pasd_batch.records import Status
from pasd_batch.runs.row_file import IMAGE_COLUMN
from pasd_batch.runs.run_set import FoundRun, find_runs
from pasd_batch.storage.location import redact_uri

RUN_COLUMN = "run"
"""Column that says which run a row is of."""


@dataclass(frozen=True)
class WrittenRows:
    """Rows that were written."""

    runs: int
    rows: int
    failed: int


def write_rows(places: Sequence[str], target: str, settings: StorageSettings, *, latest: bool = False) -> WrittenRows:
    """Write the committed rows of runs, in the order in which these began, as one Parquet file.

    With `latest` a photo has one row, that of the last run that has it, whatever came of it; held are 40 bytes for
    each photo. Images that are inside results stay there. Columns that a run has not are null.

    Raises:
        ManifestError: the target is not called like a Parquet file, or is a file of another kind.
        NotFound: a place has no run.
        StorageError: a run cannot be read, or the target not be written.
    """
    refuse_other_formats(target)
    own = is_parquet_with(lambda schema: {RUN_COLUMN, "status"} <= set(schema.names))
    refuse_other_file(target, settings, "rows of runs", own)
    runs = find_runs(places, settings, each_has_one=True)
    last = _last_runs(runs) if latest else None
    schema = pa.unify_schemas([_schema(run) for run in runs], promote_options="permissive")
    failed = 0

    def tables() -> Iterator[pa.Table]:
        nonlocal failed
        for number, run in enumerate(runs):
            for table in run.folder.rows([name for name in _schema(run).names if name != RUN_COLUMN]):
                chosen = table
                if last is not None:
                    mask = [last[photo_id] == number for photo_id in table["photo_id"].to_pylist()]
                    chosen = table.filter(pa.array(mask, pa.bool_()))
                failed += chosen["status"].to_pylist().count(Status.FAILED.value)
                yield _with_schema(chosen, run.uri, schema)

    rows = write_parquet(target, tables(), settings)
    return WrittenRows(len(runs), rows, failed)


def _last_runs(runs: Sequence[FoundRun]) -> dict[str, int]:
    """Number of the last run that has a photo, by its id."""
    last: dict[str, int] = {}
    for number, run in enumerate(runs):
        for table in run.folder.rows(["photo_id"]):
            last.update(dict.fromkeys(table["photo_id"].to_pylist(), number))
    return last


def _schema(run: FoundRun) -> pa.Schema:
    """Columns of a run's rows, without images."""
    found = next(run.folder.rows(), None) if run.folder.committed() else None
    fields = [] if found is None else [field for field in found.schema if field.name != IMAGE_COLUMN]
    return pa.schema([pa.field(RUN_COLUMN, pa.string()), *fields])


def _with_schema(table: pa.Table, uri: str, schema: pa.Schema) -> pa.Table:
    rows = table.num_rows
    columns = {RUN_COLUMN: pa.array([redact_uri(uri)] * rows, pa.string())}
    columns |= {name: table[name] for name in table.column_names}
    filled = [
        columns[field.name].cast(field.type) if field.name in columns else pa.nulls(rows, field.type)
        for field in schema
    ]
    return pa.table(filled, schema=schema)
