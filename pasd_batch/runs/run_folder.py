"""A run's folder: where everything lies in it, and the one way in which its files are read.

Whoever reads a file of a run reads it here, so that damage is told alike everywhere: which file, and what mends it.
"""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pasd_batch.config.storage import StorageSettings
from pasd_batch.records import PLAN_SCHEMA, RESULT_SCHEMA
from pasd_batch.storage.errors import classify
from pasd_batch.storage.local_files import MAY_BE_LINKED
from pasd_batch.storage.reading import open_for_reading
from pasd_batch.storage.storage import NotFound, Storage, StorageError, redact_uri
from pasd_batch.storage.threads import in_threads

RUN_FILE = "run.json"
"""Path of the run file; there from the moment that a run begins."""
SUMMARY_FILE = "summary.json"
PLAN_FOLDER = "plan"
RESULTS_FOLDER = "results"
IMAGES_FOLDER = MAY_BE_LINKED
"""May be a link to another disk."""
ATTEMPTS_FOLDER = "attempts"
WORK_FOLDERS = (RESULTS_FOLDER, IMAGES_FOLDER, PLAN_FOLDER, ATTEMPTS_FOLDER)
"""Folders that only a run which has begun has files in."""
REPAIR_FOLDER = "repair"
"""Rows that a repair keeps of a shard that it lets be done again."""
DAMAGED_FOLDER = "damaged"
"""Folder for what a repair takes out of the run."""


class RunDamaged(StorageError):
    """A file of a run cannot be read as what it is; the message names it and what mends it. Resuming does not."""

    def __init__(self, message: str, problem: str | None = None) -> None:
        super().__init__(message)
        self.problem = problem or message
        """Fault of the file, for those who know which it is."""


def shard_file_name(shard: int) -> str:
    """File name of a shard, the same in `plan/` and `results/`."""
    return f"shard-{shard:06d}.parquet"


def plan_path(shard: int) -> str:
    """Path of a shard's planned photos, relative to the run's root."""
    return f"{PLAN_FOLDER}/{shard_file_name(shard)}"


def result_path(shard: int) -> str:
    """Path of a shard's committed rows, relative to the run's root."""
    return f"{RESULTS_FOLDER}/{shard_file_name(shard)}"


def image_path(output_path: str) -> str:
    """Path of a restored photo, relative to the run's root; `output_path` is the row's."""
    return f"{IMAGES_FOLDER}/{output_path}"


def kept_rows_path(shard: int) -> str:
    """Path of the rows that a repair keeps of a shard, relative to the run's root."""
    return f"{REPAIR_FOLDER}/{shard_file_name(shard)}"


def numbered_shards(storage: Storage, folder: str) -> Iterator[int]:
    """Numbers of the shards whose files are in `folder` (`plan` or `results`), in no set order."""
    for path in storage.list(folder):
        digits = path.removeprefix(f"{folder}/shard-").removesuffix(".parquet")
        if digits.isdecimal() and path == f"{folder}/{shard_file_name(int(digits))}":
            yield int(digits)


def require_run(storage: Storage) -> None:
    """Make sure that a run has begun at `storage`, so that a mistyped path is not taken for a run without photos.

    Raises:
        NotFound: there is none.
        StorageError: the place cannot be looked at.
    """
    if not storage.exists(RUN_FILE):
        raise no_run(storage)


def no_run(storage: Storage) -> NotFound:
    """The error for a place without a run."""
    place = redact_uri(storage.uri(RUN_FILE))
    return NotFound(f"{place}: there is no run; check the path, which is the run's output.root")


def damaged(storage: Storage, path: str, problem: str) -> RunDamaged:
    """The error for a file of the run at `storage` that is not what it should be."""
    needed = " --config CONFIG, with the configuration that began the run," if path == RUN_FILE else ""
    message = (
        f"{redact_uri(storage.uri(path))}: {problem}; the run is damaged: `pasd-batch verify "
        f"{redact_uri(storage.uri())}` says where, and with --repair{needed} mends it"
    )
    return RunDamaged(message, problem)


@contextmanager
def parsing(storage: Storage, path: str) -> Iterator[None]:
    """Errors of a parser, or of a wrong shape (`KeyError`, `TypeError`), become damage of the file at `path`.

    Raises:
        RunDamaged: naming the file.
        StorageError: it cannot be read.
    """
    try:
        yield
    except (StorageError, MemoryError):
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # Arrow's own complaints of content have none
            raise classify(error, redact_uri(storage.uri(path))) from None
        detail = " ".join(str(error).split())[:200]
        raise damaged(storage, path, f"cannot be read ({type(error).__name__}: {detail})") from error


def read_json(storage: Storage, path: str) -> dict[str, Any]:
    """The JSON object at `path` of the run at `storage`.

    Raises:
        NotFound: it is not there.
        RunDamaged: it is none.
        StorageError: it cannot be read.
    """
    data = storage.read(path)
    with parsing(storage, path):
        values = json.loads(data)
        if not isinstance(values, dict):
            raise TypeError(f"a JSON object was expected, not {type(values).__name__}")
    return values


@dataclass(frozen=True)
class RunFolder:
    """The readable side of a run at `storage`. Safe in threads; can be sent to other processes."""

    storage: Storage
    access: StorageSettings

    @classmethod
    def open(cls, uri: str, access: StorageSettings) -> "RunFolder":
        """The run at `uri`, which is not looked at yet.

        Raises:
            StorageError: the URI cannot be opened.
        """
        return cls(Storage.open(uri, retry=access.retry, allowed_schemes=access.allowed_schemes), access)

    def plan(self, shard: int) -> pa.Table:
        """A shard's planned photos.

        Raises:
            NotFound: the shard is not planned.
            RunDamaged: the file is no plan.
            StorageError: it cannot be read.
        """
        data = self.storage.read(plan_path(shard))
        with parsing(self.storage, plan_path(shard)):
            file = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True)
            _require_columns(file.schema_arrow, PLAN_SCHEMA)
            return file.read()

    def rows(self, shard: int, columns: Sequence[str] | None = None) -> pa.Table:
        """A committed shard's rows: all columns, or those of `columns` that a run of any version has.

        Columns of the results that an earlier version did not write are null; `scores`, `image` and the manifest's
        own are left out where the shard lacks them. Nothing but the columns is fetched.

        Raises:
            NotFound: the shard is not committed.
            RunDamaged: the file is no result.
            StorageError: it cannot be read.
        """
        with self.open_rows(shard) as file:
            names = file.schema_arrow.names
            table = file.read(columns=None if columns is None else [name for name in columns if name in names])
            for name in columns or ():
                if name in RESULT_SCHEMA.names and name not in names:
                    table = table.append_column(name, pa.nulls(table.num_rows, RESULT_SCHEMA.field(name).type))
            return table

    @contextmanager
    def open_rows(self, shard: int) -> Iterator[pq.ParquetFile]:
        """A committed shard's file, for reading it piece by piece; the block's own parse errors are its damage.

        Raises:
            NotFound, RunDamaged, StorageError: as in `rows`.
        """
        path = result_path(shard)
        with open_for_reading(self.storage.uri(path), self.access) as opened, parsing(self.storage, path):
            file = pq.ParquetFile(opened, page_checksum_verification=True)
            _require_columns(file.schema_arrow, RESULT_SCHEMA)
            yield file

    def committed(self) -> list[int]:
        """Numbers of all committed shards, in order."""
        return sorted(numbered_shards(self.storage, RESULTS_FOLDER))

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The rows of all committed shards in order, as `rows` gives them; a few shards are held at a time."""
        return in_threads(lambda shard: self.rows(shard, columns), self.committed())


def _require_columns(found: pa.Schema, needed: pa.Schema) -> None:
    """Refuse a file that lacks what every run of every version has, or has it in another type."""
    for column in needed:
        if column.nullable:
            continue
        index = found.get_field_index(column.name)
        if index < 0:
            raise TypeError(f"there is no column {column.name}")
        if found.field(index).type != column.type:
            raise TypeError(f"column {column.name} is {found.field(index).type}, not {column.type}")
