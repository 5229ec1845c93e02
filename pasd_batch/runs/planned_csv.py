"""Planned photos as a CSV manifest, which cannot say how it is read: columns are called as their run has read them."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow makes its compute functions at import, where pyright cannot see them)

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pasd_batch.config.manifest import ManifestColumns, ManifestFormat, ManifestSettings
from pasd_batch.config.photo_settings import PAGE, own_settings
from pasd_batch.manifests.allowed_folders import note_of_csv
from pasd_batch.manifests.file_pages import PAGE_COLUMN
from pasd_batch.manifests.output_paths import common_folder
from pasd_batch.manifests.survey import SOURCE_ROOT_KEY
from pasd_batch.records import RENAMED_PREFIX, extra_column_name
from pasd_batch.runs.damage import parsing, read_json
from pasd_batch.runs.layout import RUN_FILE
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.location import redact_uri

_BATCH_ROWS = 50_000
_KNOWN = ("id", "uri", "prompt", "reference_uri", "color_reference_uri", "mask_uri")


class PlannedCsv:
    """Rows of `as_manifest`, of a Parquet file, on their way to CSV.

    Photos' own settings get columns of their own, in place of those that they were read from.
    """

    def __init__(self, source: pq.ParquetFile, manifest: ManifestSettings) -> None:
        """Take the rows, and the settings by which their run has read its manifest."""
        self._source, self._manifest = source, manifest
        found = {setting for row in self._own_settings() for setting in row}
        named = manifest.columns.of_settings()
        self._known = {name: getattr(manifest.columns, name) or name for name in _KNOWN if name in source.schema.names}
        self._own = {
            setting: named.get(setting, PAGE_COLUMN if setting == PAGE else setting)
            for setting in ManifestColumns.SETTINGS
            if setting in found or setting in named
        }

    def tables(self) -> Iterator[pa.Table]:
        """The rows as CSV has them."""
        for batch in self._source.iter_batches(_BATCH_ROWS):
            table = pa.Table.from_batches([batch])
            columns = {name: table[known] for known, name in self._known.items()}
            own = [own_settings(text) for text in table["settings"].to_pylist()] if self._own else []
            for setting, name in self._own.items():
                columns[name] = pa.chunked_array([pa.array([_text(row.get(setting)) for row in own], pa.string())])
            yield pa.table(columns | self._others(table))

    def notes(self, target: str) -> list[str]:
        """Lines for people: what a run over the file at `target` needs, and what it does otherwise."""
        usual = {**{name: name for name in _KNOWN}, PAGE: PAGE_COLUMN}
        needed = [
            f"manifest.columns.{each}={name}"
            for each, name in (self._known | self._own).items()
            if name != usual.get(each)
        ]
        if self._manifest.format not in (ManifestFormat.AUTO, ManifestFormat.CSV):
            needed.append("manifest.format=csv")
        notes = [f"a run reads it with {' '.join(needed)}"] if needed else []
        ends = [pc.min_max(batch["uri"]).as_py() for batch in self._source.iter_batches(_BATCH_ROWS, columns=["uri"])]
        shared = redact_uri(common_folder(min(each["min"] for each in ends), max(each["max"] for each in ends)))
        root = (self._source.schema_arrow.metadata or {}).get(SOURCE_ROOT_KEY, b"").decode()
        if root and shared != root:
            notes.append(
                f"results of a run over it lie below {shared}, which its photos have in common, and not below the "
                f"run's {root}; a Parquet manifest keeps that"
            )
        return [*notes, *note_of_csv(target, shared)]

    def _own_settings(self) -> Iterator[Any]:
        if "settings" in self._source.schema.names:
            for batch in self._source.iter_batches(_BATCH_ROWS, columns=["settings"]):
                yield from map(own_settings, batch["settings"].unique().to_pylist())

    def _others(self, table: pa.Table) -> dict[str, pa.ChunkedArray]:
        """The manifest's other columns, renamed where a name is taken."""
        taken = {name.casefold() for name in (*self._known.values(), *self._own.values())}
        read = {"settings", *(each for name in self._own.values() for each in (name, extra_column_name(name)))}
        left = [name for name in table.column_names if name not in (*_KNOWN, *read)]
        return {f"{RENAMED_PREFIX}{name}" if name.casefold() in taken else name: table[name] for name in left}


def manifest_of(folder: RunFolder) -> ManifestSettings:
    """Settings by which the run at `folder` has read its manifest.

    Raises:
        RunDamaged, StorageError: `run.json` does not tell them.
    """
    values = read_json(folder.storage, RUN_FILE)
    with parsing(folder.storage, RUN_FILE):
        return ManifestSettings.parse(values["settings"]["manifest"], source=RUN_FILE)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
