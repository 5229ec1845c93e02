"""Errors of restoring local photos."""

from collections.abc import Sequence

from pasd_batch.batch.worker.rows import Row
from pasd_batch.errors import PasdBatchError


class CannotRestore(PasdBatchError):
    """Photos or an output folder that no restoration can begin with; nothing was written."""


class RestorationStopped(PasdBatchError):
    """A restoration that ended before its last photo, because no other could be restored either.

    `rows` are those of the photos until then.
    """

    def __init__(self, message: str, rows: Sequence[Row]) -> None:
        super().__init__(message)
        self.rows = list(rows)
