"""Reading of audit.parquet, row group by row group."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pasd_batch.config.audit import AuditSettings
from pasd_batch.runs.layout import AUDIT_FILE
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.reading import open_for_reading
from pasd_batch.storage.redaction import redact_uri
from pasd_batch.storage.storage import NotFound, StorageError

AUDIT_METADATA_KEY = b"pasd_batch.audit"
"""Thresholds of issues and quartiles of sizes, as JSON, in the schema's metadata."""


def audit_schema(folder: RunFolder) -> pa.Schema:
    """Columns of the audit.

    Raises:
        NotFound: the audit is not complete.
        StorageError: it cannot be read.
    """
    with _opened(folder) as file:
        return file.schema_arrow


def audit_thresholds(folder: RunFolder) -> AuditSettings:
    """Thresholds that the audit was written with.

    Raises:
        NotFound, StorageError: as in `audit_schema`.
    """
    told = json.loads((audit_schema(folder).metadata or {}).get(AUDIT_METADATA_KEY, b"{}"))
    return AuditSettings.parse(told.get("thresholds", {}))


def audit_tables(
    folder: RunFolder, columns: Sequence[str] | None = None, where: pc.Expression | None = None
) -> Iterator[pa.Table]:
    """Rows of the audit in the plan's order, a table for each row group; `where` keeps some.

    Raises:
        NotFound, StorageError: as in `audit_schema`.
    """
    with _opened(folder) as file:
        for group in range(file.num_row_groups):
            if where is None:
                yield file.read_row_group(group, columns=columns)
            else:
                rows = file.read_row_group(group).filter(where)
                yield rows if columns is None else rows.select(list(columns))


@contextmanager
def _opened(folder: RunFolder) -> Iterator[pq.ParquetFile]:
    uri = folder.storage.uri(AUDIT_FILE)
    if not folder.storage.exists(AUDIT_FILE):
        raise NotFound(f"{redact_uri(uri)}: there is no complete audit; give the audit's own command, which resumes it")
    with open_for_reading(uri, folder.storage_settings) as source:
        try:
            with pq.ParquetFile(source, page_checksum_verification=True) as file:
                yield file
        except pa.ArrowException as error:
            raise StorageError(
                f"{redact_uri(uri)} cannot be read ({error}); give the audit's own command again, which writes it anew"
            ) from error
