"""Rows of a complete run, shard by shard, with restored photos among them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pasd_batch.export.formats import ExportFailed
from pasd_batch.records import Status
from pasd_batch.records.result_row import IMAGE_TYPE
from pasd_batch.runs.layout import SUMMARY_FILE, image_path
from pasd_batch.runs.row_file import IMAGE_COLUMN
from pasd_batch.runs.run_file import RunFile, fingerprint, read_run
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.storage import NotFound, redact_uri
from pasd_batch.storage.threads import in_threads


@dataclass(frozen=True)
class RunRows:
    """The rows of a run that is complete."""

    folder: RunFolder
    run: RunFile
    images: bool
    """Restored photos are a column, `image`, as Hugging Face's libraries have them: bytes and path."""
    restored_only: bool
    """Rows of photos that failed are left out."""

    @classmethod
    def of(cls, folder: RunFolder, *, images: bool, restored_only: bool) -> "RunRows":
        """The rows of the run at `folder`.

        Raises:
            ExportFailed: it is not complete, or has no restored photos, which are wanted.
            StorageError: it cannot be read.
        """
        run, place = read_run(folder.storage), redact_uri(folder.storage.uri())
        assert run is not None, "the folder was opened as that of a run"
        try:
            summary = json.loads(folder.storage.read(SUMMARY_FILE))
        except NotFound:
            raise ExportFailed(
                f"{place} is not complete; the command that began it resumes it, and then it is exported"
            ) from None
        if restored_only and summary["failed"] == summary["photos"]:
            raise ExportFailed(f"{place}: all photos failed; export its rows, which say why, as csv, delta or iceberg")
        if images and run.config.get("mode", "restore") != "restore":
            raise ExportFailed(f"{place} has no restored photos; export its rows as csv, delta or iceberg")
        return cls(folder, run, images, restored_only)

    @property
    def shards(self) -> range:
        """Numbers of the run's shards."""
        return range(self.run.shards)

    @property
    def identity(self) -> str:
        """Mark that tells this export from that of another run, or of other columns."""
        made = self.run.provenance
        about = [made.config_fingerprint, made.manifest_fingerprint, made.model_fingerprint, self.run.created_at]
        return fingerprint({"run": about, "images": self.images, "restored_only": self.restored_only})

    @property
    def schema(self) -> pa.Schema:
        """Schema of all tables; columns of which nothing is known are text."""
        found = self.folder.shard_rows(0).schema
        fields = [
            field.with_type(pa.string()) if pa.types.is_null(field.type) else field.remove_metadata()
            for field in found
            if field.name != IMAGE_COLUMN
        ]
        return pa.schema([*fields, *([pa.field(IMAGE_COLUMN, IMAGE_TYPE)] if self.images else [])])

    def table(self, shard: int) -> pa.Table:
        """The rows of a shard, in the plan's order.

        Raises:
            StorageError: they, or restored photos that they describe, cannot be read.
        """
        schema = self.schema
        rows = self.folder.shard_rows(shard).to_pylist()
        if self.restored_only:
            rows = [row for row in rows if row["status"] == Status.OK]
        if self.images:
            for row, image in zip(rows, in_threads(self._image, rows), strict=True):
                row[IMAGE_COLUMN] = image
        return pa.Table.from_pylist(rows, schema=schema)

    def tables(self) -> Iterator[pa.Table]:
        """The rows of all shards, in the plan's order."""
        return map(self.table, self.shards)

    def _image(self, row: dict[str, Any]) -> dict[str, Any] | None:
        if row["status"] != Status.OK or row["output_path"] is None:
            return None
        within = row.get(IMAGE_COLUMN)
        if within is not None and within["bytes"] is not None:
            return within
        return {"bytes": self.folder.storage.read(image_path(row["output_path"])), "path": row["output_path"]}
