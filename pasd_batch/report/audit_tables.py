"""Rows of a run together with what its audit says of them, as the page of an audit shows them."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from pasd_batch.audit.columns import COLUMNS, NAMES
from pasd_batch.audit.issues import ISSUES
from pasd_batch.audit.reading import audit_tables
from pasd_batch.records import SCORE_METADATA_KEY
from pasd_batch.runs.layout import AUDIT_FILE, RESULTS_FOLDER
from pasd_batch.runs.run_file import RunFile
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.redaction import redact_uri
from pasd_batch.storage.storage import StorageError

MEASURES = tuple(issue.measure for issue in ISSUES if issue.measure in NAMES and issue.measure != "grayscale")
"""Measures that are shown as scores are."""

AUDIT_COLUMNS = ("issues", "severities", "duplicate_of", *MEASURES)


def has_audit(folder: RunFolder, run: RunFile) -> bool:
    """True if the run is an audit that is complete."""
    return run.config.get("mode") == "audit" and folder.storage.exists(AUDIT_FILE)


def with_audit(tables: Iterator[pa.Table], folder: RunFolder) -> Iterator[pa.Table]:
    """Tables of a complete run's rows with the audit's columns, whose measures are among the scores.

    Raises:
        StorageError: the audit cannot be read, or was written for other rows.
    """
    told = _Audit(audit_tables(folder, ["photo_id", *AUDIT_COLUMNS]))
    for table in tables:
        audit = told.take(table.num_rows)
        if not audit["photo_id"].equals(table["photo_id"]):
            raise StorageError(
                f"{redact_uri(folder.storage.uri(AUDIT_FILE))} is not of the rows in {RESULTS_FOLDER}/, some of which "
                "are missing or were made again; give the audit's own command, which writes it anew"
            )
        scores = {name: audit[name].combine_chunks() for name in MEASURES}
        meanings = json.loads((table.schema.metadata or {}).get(SCORE_METADATA_KEY, b"{}"))
        if "scores" in table.column_names:
            of_run = table["scores"].combine_chunks()
            scores |= {field.name: pc.struct_field(of_run, field.name) for field in of_run.type}
            table = table.drop_columns(["scores"])
        struct = pa.StructArray.from_arrays(list(scores.values()), names=list(scores))
        for name in ("issues", "severities", "duplicate_of"):
            table = table.append_column(name, audit[name])
        metadata = {**(table.schema.metadata or {}), SCORE_METADATA_KEY: json.dumps(_MEANINGS | meanings)}
        yield table.append_column("scores", struct).replace_schema_metadata(metadata)


class _Audit:
    """Rows of an audit, taken from the front in any numbers."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._tables = tables
        self._waiting = pa.table({"photo_id": pa.array([], pa.string())})

    def take(self, count: int) -> pa.Table:
        """The next rows, as far as there are any."""
        while self._waiting.num_rows < count and (following := next(self._tables, None)) is not None:
            self._waiting = pa.concat_tables([self._waiting, following]) if self._waiting.num_rows else following
        taken, self._waiting = self._waiting.slice(0, count), self._waiting.slice(count)
        return taken


def _meanings() -> dict[str, dict[str, object]]:
    descriptions = {column.name: column.description for column in COLUMNS}
    return {
        issue.measure: {
            "higher_is_better": issue.below,
            "description": descriptions[issue.measure],
            "source": "pasd_batch",
        }
        for issue in ISSUES
        if issue.measure in MEASURES
    }


_MEANINGS = _meanings()
