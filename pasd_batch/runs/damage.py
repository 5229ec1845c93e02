"""Damage of a run's files, told alike by whoever reads them: which file, and what mends it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from pasd_batch.runs.layout import RUN_FILE
from pasd_batch.storage.errors import classify
from pasd_batch.storage.storage import Storage, StorageError, redact_uri


class RunDamaged(StorageError):
    """A file of a run cannot be read as what it is; the message names it and what mends it. Resuming does not."""

    def __init__(self, message: str, problem: str | None = None) -> None:
        super().__init__(message)
        self.problem = problem or message
        """Fault of the file, for those who know which it is."""


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
