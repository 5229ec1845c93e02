"""Planned photos as a manifest again, for another run over them."""

from collections.abc import Iterator

import pyarrow as pa

from pasd_batch.manifests.pieces import KNOWN_NAMES_KEY
from pasd_batch.records import PLAN_SCHEMA, RENAMED_PREFIX, extra_columns
from pasd_batch.runs.plan_key import key_of_run
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.sealing import has_sealed, unsealed


def as_manifest(planned: pa.Table) -> pa.Table:
    """Rows of a plan as those of a manifest: with the same ids, a new run gives the same results in the same tree.

    The table says of itself how it is read, so a run's own `manifest.format` and `manifest.columns` do not matter.
    """
    columns = {"id": planned["photo_id"]}
    for name in PLAN_SCHEMA.names:
        if name not in ("photo_id", "output_path") and name in planned.column_names:
            columns[name] = planned[name]
    for extra in extra_columns(planned.schema):
        name = f"{RENAMED_PREFIX}{extra.name}" if extra.name in columns else extra.name
        columns[name] = planned[extra.name]
    return pa.table(columns).replace_schema_metadata({**(planned.schema.metadata or {}), KNOWN_NAMES_KEY: b"1"})


def with_whole_uris(tables: Iterator[pa.Table], folder: RunFolder) -> Iterator[pa.Table]:
    """Tables of `as_manifest` with whole URIs; the run's manifest is read again if any of them hides something.

    Raises:
        ManifestError: that manifest is not there any more.
    """
    key = None
    for table in tables:
        if not table.num_rows or not has_sealed(table):
            yield table
            continue
        key = key or key_of_run(folder)
        rows = unsealed(table.rename_columns(["photo_id", *table.column_names[1:]]), key)
        yield rows.rename_columns(table.column_names).replace_schema_metadata(table.schema.metadata)
