"""The manifest that a run of `mode: describe` ends with: its own manifest, with prompts from what is in the photos."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.manifests.writing import write_parquet
from pasd_batch.records import DESCRIPTION_TYPE, RENAMED_PREFIX, extra_column_name
from pasd_batch.runs.damage import damaged
from pasd_batch.runs.layout import result_path
from pasd_batch.runs.planned_manifest import as_manifest, with_whole_uris
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.threads import in_threads

DESCRIBED_COLUMN = "described"
"""Column of the descriptions: a later run carries it through to its results, beside a `description` of its own."""


def write_described(folder: RunFolder, target: str) -> int:
    """Write the manifest of a run's described photos as a Parquet file; the number of its photos.

    Photos that failed are in it, with the prompts that they had. Written again, it is the same.

    Raises:
        ManifestError: URIs have credentials, and the manifest that the run began with is not there any more.
        StorageError: the run cannot be read, or the target not be written.
    """
    tables = with_whole_uris(in_threads(lambda shard: _described(shard, folder), folder.committed()), folder)
    return write_parquet(target, tables, folder.storage_settings)


def _described(shard: int, folder: RunFolder) -> pa.Table:
    planned = folder.plan(shard)
    rows = folder.shard_rows(shard, ["photo_id", "prompt_used", "description"])
    if not rows["photo_id"].equals(planned["photo_id"]):
        raise damaged(folder.storage, result_path(shard), "does not hold the photos that are planned")
    table = as_manifest(planned)
    metadata = table.schema.metadata
    # What was composed of nothing is none, so that a run's own prompt for such photos counts.
    composed = pc.if_else(pc.equal(rows["prompt_used"], ""), None, rows["prompt_used"])
    table = table.set_column(table.column_names.index("prompt"), "prompt", pc.coalesce(composed, planned["prompt"]))
    if DESCRIBED_COLUMN in table.column_names:
        table = _without_earlier(table)
    named = _with_own_names(table.append_column(DESCRIBED_COLUMN, rows["description"]))
    return named.replace_schema_metadata(metadata)  # which renaming loses


def _with_own_names(table: pa.Table) -> pa.Table:
    """The table with the names that its further columns had in the manifest, such as `scale`, where they are free."""
    names: list[str] = []
    for name in table.column_names:
        own = name.removeprefix(RENAMED_PREFIX)
        free = own not in (*table.column_names, *names) and extra_column_name(own) == name
        names.append(own if free else name)
    return table.rename_columns(names)


def _without_earlier(table: pa.Table) -> pa.Table:
    """The table without the descriptions of an earlier time; another column of that name gets another one."""
    if table.schema.field(DESCRIBED_COLUMN).type == DESCRIPTION_TYPE:
        return table.drop_columns([DESCRIBED_COLUMN])
    new = {DESCRIBED_COLUMN: f"{RENAMED_PREFIX}{DESCRIBED_COLUMN}"}
    return table.rename_columns([new.get(name, name) for name in table.column_names])
