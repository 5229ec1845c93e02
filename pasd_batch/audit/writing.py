"""audit.parquet and the lists of issues of a complete run: written anew each time, the same for the same rows."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pasd_batch.audit.dataset import DatasetFacts, dataset_facts
from pasd_batch.audit.issue_lists import write_issue_lists
from pasd_batch.audit.reading import AUDIT_METADATA_KEY
from pasd_batch.audit.table import NEEDED, audit_rows
from pasd_batch.config.audit import AuditSettings
from pasd_batch.manifests.writing import write_tables
from pasd_batch.records import RESULT_SCHEMA
from pasd_batch.records.joining import joined
from pasd_batch.runs.layout import AUDIT_FILE
from pasd_batch.runs.run_file import RunFile
from pasd_batch.runs.run_folder import RunFolder

_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class AuditSummary:
    """Result of an audit: how many photos have each issue."""

    counts: dict[str, int]

    def line(self) -> str:
        """All issues that were found, for people, the most frequent first."""
        found = sorted(((count, name) for name, count in self.counts.items() if count), key=lambda each: -each[0])
        return "issues: " + (", ".join(f"{count:,} {name}" for count, name in found) or "none")


def write_audit(folder: RunFolder, run: RunFile, settings: AuditSettings) -> AuditSummary:
    """Write audit.parquet and the lists of issues for a run all of whose shards are committed. Ray must be running.

    Raises:
        StorageError: results cannot be read, or the files not be written.
    """
    facts = dataset_facts(folder, run, settings)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, AUDIT_FILE)
        with path.open("w+b") as file:
            write_tables(file, _tables(folder, facts, settings))
        counts = write_issue_lists(path, folder.storage)
        folder.storage.upload(AUDIT_FILE, path)
    return AuditSummary(counts)


def _tables(folder: RunFolder, facts: DatasetFacts, settings: AuditSettings) -> Iterator[pa.Table]:
    told = {"thresholds": settings.model_dump(mode="json"), "size_quartiles": facts.quartiles}
    first = 0
    for table in joined(folder.rows([*NEEDED, *_columns_of_manifest(folder)]), _ROWS_AT_ONCE):
        rows = audit_rows(table, first, facts, settings)
        yield rows.replace_schema_metadata({**(rows.schema.metadata or {}), AUDIT_METADATA_KEY: json.dumps(told)})
        first += table.num_rows


def _columns_of_manifest(folder: RunFolder) -> list[str]:
    first, *_ = folder.committed()
    known = {*RESULT_SCHEMA.names, *NEEDED, "image"}
    return [name for name in folder.shard_rows(first).column_names if name not in known]
