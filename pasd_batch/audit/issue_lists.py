"""Lists of the photos that have an issue, the worst first: JSON lines, which are a manifest too."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pasd_batch.audit.columns import NAMES
from pasd_batch.audit.issues import ISSUES, Issue
from pasd_batch.manifests.file_pages import PAGE_COLUMN
from pasd_batch.runs.layout import issue_list_path
from pasd_batch.storage.storage import Storage

_ROWS_AT_ONCE = 10_000


def write_issue_lists(audit: Path, storage: Storage) -> dict[str, int]:
    """Write `issues/NAME.jsonl` for every issue that photos have, from a local audit.parquet; how many have each.

    A list of an earlier time that is none any more is deleted. The photos of one list are held at a time, as a table.

    Raises:
        StorageError: a list cannot be written.
    """
    counts = {}
    for issue in ISSUES:
        rows = _affected(audit, issue)
        counts[issue.name] = rows.num_rows
        if rows.num_rows:
            _write_lines(rows, audit.with_suffix(".jsonl"))
            storage.upload(issue_list_path(issue.name), audit.with_suffix(".jsonl"))
        else:
            storage.delete(issue_list_path(issue.name))
    return counts


def _affected(audit: Path, issue: Issue) -> pa.Table:
    measure = [issue.measure] if issue.measure in NAMES else []
    duplicates = ["duplicate_of"] if issue.name.endswith("_duplicate") else []
    reason = ["error_message"] if issue.name == "unreadable" else []
    columns = list(dict.fromkeys(["photo_id", "uri", "page", *measure, *duplicates, *reason]))
    severity = f"severities.{issue.name}"
    tables = []
    with pq.ParquetFile(audit) as file:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, columns=[*columns, severity])
            rows = rows.set_column(len(columns), "severity", pc.struct_field(rows["severities"], issue.name))
            tables.append(rows.filter(pc.field("severity").is_valid()))
    every = pa.concat_tables(tables)
    return every.take(pc.sort_indices(every, [("severity", "descending")]))  # a stable order


def _write_lines(rows: pa.Table, path: Path) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        for batch in rows.to_batches(max_chunksize=_ROWS_AT_ONCE):
            file.writelines(map(_line, batch.to_pylist()))


def _line(row: dict[str, Any]) -> str:
    values = {"id": row.pop("photo_id"), "uri": row.pop("uri"), "severity": row.pop("severity"), **row}
    page = values.pop("page")
    values |= {} if page is None else {PAGE_COLUMN: page}
    rounded = {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in values.items()}
    return json.dumps(rounded, ensure_ascii=False) + "\n"
