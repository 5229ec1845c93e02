"""A manifest of the photos of an audit that pass a condition."""

import ast
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.audit.conditions import expression_of
from pasd_batch.audit.reading import audit_schema, audit_tables
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.pieces import KNOWN_NAMES_KEY
from pasd_batch.manifests.writing import (
    is_parquet_with,
    is_there,
    refuse_other_file,
    refuse_other_formats,
    write_parquet,
)
from pasd_batch.records import Status
from pasd_batch.runs.planned_manifest import as_manifest, with_whole_uris
from pasd_batch.runs.run_folder import RunFolder


def write_selection(folder: RunFolder, condition: ast.expr, target: str) -> int:
    """Write a Parquet manifest of the photos of a complete audit that pass, as they were planned; how many there are.

    Photos that failed never pass. If there is none, nothing is written, or an empty manifest in the place of an
    earlier selection.

    Raises:
        InvalidCondition: it names what is not there, or makes no sense.
        ManifestError: the target is not called like a Parquet file, or is a file of another kind; or URIs have
            credentials, and the manifest that the audit began with is not there any more.
        NotFound: the audit is not complete.
        StorageError: it cannot be read, or the target not be written.
    """
    refuse_target(target, folder.storage_settings)
    passing = (pc.field("status") == Status.OK.value) & expression_of(condition, audit_schema(folder))
    tables, settings = with_whole_uris(_selected(folder, passing), folder), folder.storage_settings
    photos = write_parquet(target, tables, settings, empty=False)
    if not photos and is_there(target, settings):
        write_parquet(target, [as_manifest(folder.plan(folder.planned()[0])).slice(0, 0)], settings)
    return photos


def refuse_target(target: str, settings: StorageSettings) -> None:
    """Refuse a place where no selection can be written.

    Raises:
        ManifestError: it is not called like a Parquet file, or is a file of another kind, such as the photos' manifest.
        StorageError: it cannot be looked at.
    """
    refuse_other_formats(target)
    selected = is_parquet_with(lambda schema: KNOWN_NAMES_KEY in (schema.metadata or {}))
    refuse_other_file(target, settings, "a selection of photos", selected)


def _selected(folder: RunFolder, passing: pc.Expression) -> Iterator[pa.Table]:
    for table in audit_tables(folder, ["photo_id", "shard"], passing):
        for shard in table["shard"].unique().to_pylist():
            own = table.filter(pc.field("shard") == shard)["photo_id"]
            planned = folder.plan(shard)
            yield as_manifest(planned.filter(pc.field("photo_id").isin(own)))
