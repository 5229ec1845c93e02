"""A local folder of restored photos, each written whole, in place of an earlier result."""

import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from pasd_batch.batch.local.errors import CannotRestore
from pasd_batch.config.storage import RetryPolicy
from pasd_batch.photos.photo import Photo
from pasd_batch.storage.errors import StorageError, StorageFull, TransientStorageError
from pasd_batch.storage.local_files import LocalFiles
from pasd_batch.storage.storage import Storage

_RETRY = RetryPolicy(attempts=3)
"""Somebody waits: what does not pass within a second is told."""


@dataclass
class OutputFolder:
    """Images of a restoration at the absolute path `root`.

    As a context it waits at its end for what is being written, so that an interruption leaves nothing half written.
    """

    root: str
    written: set[str] = field(default_factory=set, init=False)
    """Paths below the root of the images that are there whole."""
    _turn: threading.Condition = field(default_factory=threading.Condition, init=False)
    _writing: int = field(default=0, init=False)
    _closed: bool = field(default=False, init=False)

    @property
    def _storage(self) -> Storage:
        return Storage(LocalFiles(self.root), _RETRY)

    def make(self) -> None:
        """Make the folder, and sure that it can be written.

        Raises:
            CannotRestore: that is not possible.
        """
        probe = f".{uuid.uuid4().hex}.pasd-probe"
        try:
            Path(self.root).mkdir(parents=True, exist_ok=True)
            self._storage.write(probe, b"")
            self._storage.delete(probe)
        except (OSError, StorageError) as error:
            raise CannotRestore(f"output folder {self.root}: {error}; name a folder that can be written") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._turn:
            self._closed = True
            self._turn.wait_for(lambda: not self._writing)

    def uri(self, output_path: str) -> str:
        """Absolute path of the file."""
        return self._storage.uri(output_path)

    def store(self, output_path: str, data: bytes, photo: Photo) -> bytes:
        """Write an encoded photo, in place of what is there.

        Raises:
            StorageError: it cannot be written.
        """
        with self._turn:
            if self._closed:
                raise StorageError(f"{self.uri(output_path)}: the restoration has ended; nothing is written any more")
            self._writing += 1
        try:
            self._storage.write(output_path, data)
            self.written.add(output_path)
        finally:
            with self._turn:
                self._writing -= 1
                self._turn.notify_all()
        return data

    def is_in_trouble(self, error: Exception) -> bool:
        """True if the disk is full or failing; what else is refused is refused to one file."""
        return isinstance(error, StorageFull | TransientStorageError)
