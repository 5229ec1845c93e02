"""A run's folder: the one place that reads what a run has planned and committed, and that commits.

A shard's rows are one Parquet object, created whole and only once. The object's existence is the commit. Nothing here
overwrites or deletes one, so that whoever reads the folder of results, at any moment and with any Parquet reader, sees
every finished shard exactly once and no other.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pasd_batch.config.storage import StorageSettings
from pasd_batch.records import PLAN_SCHEMA
from pasd_batch.runs.damage import parsing
from pasd_batch.runs.layout import (
    IMAGES_FOLDER,
    PLAN_FOLDER,
    RESULTS_FOLDER,
    RUN_FILE,
    plan_path,
    result_path,
    shard_of_file,
)
from pasd_batch.runs.row_file import IMAGE_COLUMN, RowFile, encode_rows, require_columns
from pasd_batch.storage.reading import open_for_reading
from pasd_batch.storage.storage import AlreadyExists, NotFound, Storage, redact_uri
from pasd_batch.storage.threads import in_threads


def open_run(uri: str, settings: StorageSettings | None = None) -> "RunFolder":
    """The run at `uri`, its `output.root`: a local folder or a URI such as `s3://bucket/run`.

    Raises:
        NotFound: there is no run.
        StorageError: the place cannot be looked at.
    """
    folder = RunFolder.open(uri, settings or StorageSettings())
    if not folder.storage.exists(RUN_FILE):
        raise no_run(folder.storage)
    return folder


def no_run(storage: Storage) -> NotFound:
    """The error for a place without a run."""
    place = redact_uri(storage.uri(RUN_FILE))
    return NotFound(f"{place}: there is no run; check the path, which is the run's output.root")


@dataclass(frozen=True)
class RunFolder:
    """A run at `storage`, which is reached by `storage_settings`. Safe in threads; can be sent to other processes."""

    storage: Storage
    storage_settings: StorageSettings

    @classmethod
    def open(cls, uri: str, settings: StorageSettings) -> "RunFolder":
        """The folder at `uri`, which is not looked at: a run may be there, or begin there.

        Raises:
            StorageError: the URI cannot be opened.
        """
        storage = Storage.open(uri, settings, linked_folder=IMAGES_FOLDER)
        return cls(storage, settings)

    def rows(self, columns: Sequence[str] | None = None, where: pc.Expression | None = None) -> Iterator[pa.Table]:
        """All committed rows, as tables in the plan's order: at least one table for each committed shard.

        `columns` are the columns of the tables, in that order; None: all. Those that an earlier version did not write
        are null; `scores`, `audit` and `image` are left out in a run without them. `where` keeps rows, such as
        `pc.field("status") == "failed"` or `pc.field("scores", "niqe_after") > 8.0`; tables may then have no rows.
        Nothing is fetched but these columns and those that `where` needs. Some shards are held at a time; with the
        column `image` of a run that has it, one row group (64 MiB of images).

        Raises:
            ValueError: there is no such column, or `where` does not fit the columns.
            RunDamaged: a file is no result.
            StorageError: results cannot be read.
        """
        committed = self.committed()
        if committed and IMAGE_COLUMN in (columns or [IMAGE_COLUMN]) and self._has_images(committed[0]):
            for shard in committed:
                yield from self.shard_tables(shard, columns, where)
            return
        for tables in in_threads(lambda shard: list(self.shard_tables(shard, columns, where)), committed):
            yield from tables

    def shard_rows(
        self, shard: int, columns: Sequence[str] | None = None, where: pc.Expression | None = None
    ) -> pa.Table:
        """A committed shard's rows as one table; `columns` and `where` as in `rows`.

        Raises:
            NotFound: the shard is not committed.
            ValueError, RunDamaged, StorageError: as in `rows`.
        """
        return pa.concat_tables(self.shard_tables(shard, columns, where))

    def shard_tables(
        self, shard: int, columns: Sequence[str] | None = None, where: pc.Expression | None = None
    ) -> Iterator[pa.Table]:
        """A committed shard's rows, a table for each row group of its file; `columns` and `where` as in `rows`.

        Raises:
            NotFound, ValueError, RunDamaged, StorageError: as in `shard_rows`.
        """
        path = result_path(shard)
        with open_for_reading(self.storage.uri(path), self.storage_settings) as file:
            yield from RowFile.open(file, self.storage, path).tables(columns, where)

    def plan(self, shard: int) -> pa.Table:
        """A shard's planned photos.

        Raises:
            NotFound: the shard is not planned.
            RunDamaged: the file is no plan.
            StorageError: it cannot be read.
        """
        path = plan_path(shard)
        data = self.storage.read(path)
        with parsing(self.storage, path):
            file = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True)
            require_columns(file.schema_arrow, PLAN_SCHEMA)
            plan = file.read()
            plan.validate(full=True)  # text that is not UTF-8 would fail later, where nobody expects it
            return plan

    def committed(self) -> list[int]:
        """Numbers of all committed shards, in order."""
        return self._shards(RESULTS_FOLDER)

    def planned(self) -> list[int]:
        """Numbers of all shards whose plan is stored, in order."""
        return self._shards(PLAN_FOLDER)

    def is_committed(self, shard: int) -> bool:
        """True if the shard's rows are published."""
        return self.storage.exists(result_path(shard))

    def commit(self, shard: int, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> bool:
        """Publish a shard's rows, in the plan's order; False if somebody else has published the shard before.

        Raises:
            StorageError: nothing was published, as far as can be known; committing again is safe.
            pa.ArrowInvalid: the rows do not fit the schema.
        """
        try:
            self.storage.create(result_path(shard), encode_rows(rows, schema))
        except AlreadyExists:
            return False
        return True

    def _shards(self, folder: str) -> list[int]:
        names = (path.removeprefix(f"{folder}/") for path in self.storage.list(folder))
        return sorted(shard for name in names if (shard := shard_of_file(name)) is not None)

    def _has_images(self, shard: int) -> bool:
        path = result_path(shard)
        with open_for_reading(self.storage.uri(path), self.storage_settings) as file:
            return IMAGE_COLUMN in RowFile.open(file, self.storage, path).schema.names
