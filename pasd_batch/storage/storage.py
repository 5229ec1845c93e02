"""The one door to files and objects: bounded reads, whole writes, creates that never overwrite.

A `Storage` is rooted at a folder or prefix and never leaves it; `reading.py` reads from anywhere. Object stores are
configured where their libraries look: `AWS_ENDPOINT_URL`, `AWS_PROFILE`, instance roles, `FSSPEC_S3_*`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pasd_batch.config.storage import RetryPolicy, StorageSettings
from pasd_batch.storage.creation import create_once
from pasd_batch.storage.errors import (
    AlreadyExists,
    CredentialsRefused,
    Forbidden,
    InvalidLocation,
    NameRefused,
    NotFound,
    StorageError,
    StorageFull,
    TooLarge,
    TransientStorageError,
    classify,
    translated,
)
from pasd_batch.storage.filesystems import HTTP
from pasd_batch.storage.local_files import FileState, LocalFiles
from pasd_batch.storage.local_listing import Skip
from pasd_batch.storage.location import check_relative, parse_location, redact_uri
from pasd_batch.storage.remote_files import RemoteFiles
from pasd_batch.storage.retry import with_retries

__all__ = [
    "AlreadyExists",
    "CredentialsRefused",
    "Forbidden",
    "InvalidLocation",
    "NameRefused",
    "NotFound",
    "RetryPolicy",
    "Storage",
    "StorageError",
    "StorageFull",
    "TooLarge",
    "TransientStorageError",
    "redact_uri",
]

Result = TypeVar("Result")

_PIECE = 64 * 2**20
"""Bytes of an object that are fetched, and tried again, at a time."""


@dataclass(frozen=True)
class Storage:
    """A folder or object-store prefix. Safe in threads; can be pickled and sent to other processes.

    Paths are plain relative ones (`a/b.jpg`). Every method raises `StorageError`s only, and has tried again what
    may pass. Nothing half-written is ever visible under its name.
    """

    files: LocalFiles | RemoteFiles
    retry: RetryPolicy

    @classmethod
    def open(
        cls,
        uri: str,
        settings: StorageSettings | None = None,
        *,
        linked_folder: str | None = None,
    ) -> "Storage":
        """The storage at a local folder or URI, which need not exist yet; nothing is contacted.

        `linked_folder` is the one folder at the top of a local root that may be a link to another disk.

        Raises:
            InvalidLocation: the scheme is not allowed or the URI malformed, or it is HTTP, which has no listing and
                cannot be written.
            StorageError: a package that the scheme needs is not installed.
        """
        settings = settings or StorageSettings()
        retry = settings.retry
        location = parse_location(uri, allowed_schemes=settings.allowed_schemes)
        if location.scheme == "file":
            return cls(LocalFiles(location.path, linked_folder), retry)
        if location.scheme in HTTP:
            raise InvalidLocation(f"{redact_uri(uri)}: HTTP can only be read; give a local folder or object storage")
        remote = RemoteFiles(location.scheme, location.path.removesuffix("/"), retry.timeout)
        _ = remote.filesystem  # a missing package is found here, not in the middle of a run
        return cls(remote, retry)

    def uri(self, path: str = "") -> str:
        """The absolute path or full URI of `path`, or of the root. May hold what the root's own URI holds."""
        return self.files.uri(check_relative(path) if path else "")

    @property
    def longest_path(self) -> int:
        """Most bytes of a path below the root."""
        return self.files.longest_key

    def read(self, path: str, *, max_bytes: int | None = None) -> bytes:
        """The whole content.

        Raises:
            NotFound, Forbidden, TransientStorageError: as their names say.
            TooLarge: it has more than `max_bytes` bytes; no more than that was held in memory.
        """
        check_relative(path)
        return self._run(path, lambda: self.files.read(path, max_bytes))

    def write(self, path: str, data: bytes) -> None:
        """Put `data` there as a whole, in place of what is there."""
        check_relative(path)
        self._run(path, lambda: self.files.write(path, data))

    def create(self, path: str, data: bytes) -> None:
        """Put `data` there as a whole if nothing is there.

        On stores that do not say which call created something (all but S3), callers that must know that they and nobody
        else created it put something of their own into `data`.

        Raises:
            AlreadyExists: something that this call did not create is there.
        """
        check_relative(path)
        create_once(self.files, self.retry, path, data)

    def exists(self, path: str) -> bool:
        """True if a file or object is there; a folder is none."""
        check_relative(path)
        return self._run(path, lambda: self.files.is_file(path))

    def state(self, path: str) -> FileState:
        """Size of the file or object, and what tells it from the one that was there before; empty: the root itself.

        Raises:
            NotFound: it is not there.
        """
        return self._run(path, lambda: self.files.state(check_relative(path) if path else ""))

    def download(self, path: str, target: Path) -> None:
        """Make a local file with the content, a piece at a time; empty: that of the root itself.

        Raises:
            NotFound, Forbidden, TransientStorageError: as their names say.
            OSError, StorageFull: the local file cannot be written.
        """
        key = check_relative(path) if path else ""
        state, files = self.state(path), self.files
        if not isinstance(files, RemoteFiles) or not files.has_ranges:

            def attempt() -> None:
                with target.open("wb") as file:
                    files.stream(key, file)

            self._run(path, attempt)
        else:
            with target.open("wb") as file:
                for start in range(0, state.bytes, _PIECE):
                    stop = min(start + _PIECE, state.bytes)
                    file.write(self._run(path, lambda start=start, stop=stop: files.read_range(key, start, stop)))
        if target.stat().st_size != state.bytes or self.state(path) != state:
            raise TransientStorageError(f"{files.shown(key)}: it changed while it was fetched; try again")

    def upload(self, path: str, source: Path) -> None:
        """Put a copy of a local file there as a whole, in place of what is there, a piece at a time."""
        check_relative(path)
        self._run(path, lambda: self.files.upload(path, source))

    def delete(self, path: str) -> None:
        """Remove the file or object; nothing happens if it is not there."""
        check_relative(path)
        self._run(path, lambda: self.files.remove(path))

    def move(self, path: str, target: str) -> None:
        """Give the file or object another path, in place of what is there; nothing happens if it is not there.

        On one disk this is one step. In a store, or from one disk to another, it is a copy and then a deletion:
        killed in between, both are there, and moving again comes to the end.
        """
        check_relative(path)
        check_relative(target)
        self._run(path, lambda: self.files.move(path, target))

    def remove_empty_folders(self, prefix: str) -> None:
        """Tidy up after deletions below the folder `prefix`, which nobody else writes to meanwhile.

        Object storage has no folders that could be left.
        """
        check_relative(prefix)
        if isinstance(self.files, LocalFiles):
            local = self.files
            self._run(prefix, lambda: local.remove_empty_folders(prefix))

    def list(self, prefix: str = "", *, skip: Skip | None = None) -> Iterator[str]:
        """Paths of all files below the folder `prefix` (none: the root), as they are now; in no set order.

        A folder that is not there has no files. Objects are listed page by page, so any number can be walked. What
        cannot be read below the folder is an error, but if `skip` is there it is told instead.
        """
        if prefix:
            check_relative(prefix)
        if isinstance(self.files, LocalFiles):
            yield from self._listed_locally(prefix, self.files, skip)
            return
        remote, token = self.files, None
        while True:
            keys, token = self._run(prefix, lambda token=token: remote.page(prefix, token))
            yield from keys
            if token is None:
                return

    def folders(self) -> tuple[str, ...]:
        """Names of the folders directly below the root, in order; none if it is not there."""
        return tuple(sorted(self._run("", self.files.folders)))

    def is_link(self, path: str) -> bool:
        """True if a link to another place is there; object storage has none."""
        return isinstance(self.files, LocalFiles) and self.files.is_link(check_relative(path))

    def remove_partial(self, *, older_than: float = 3600.0, prefix: str = "") -> int:
        """Delete temporary files that killed processes left in a local folder, older than so many seconds."""
        if not isinstance(self.files, LocalFiles):
            return 0
        local = self.files
        return self._run(prefix, lambda: local.remove_partial(older_than, prefix))

    def _listed_locally(self, prefix: str, local: LocalFiles, skip: Skip | None) -> Iterator[str]:
        try:
            yield from local.list(prefix, skip)
        except OSError as error:
            raise classify(error, error.filename or local.shown(prefix)) from None

    def _run(self, path: str, operation: Callable[[], Result]) -> Result:
        return with_retries(self.retry, lambda: self._translated(path, operation))

    def _translated(self, path: str, operation: Callable[[], Result]) -> Result:
        return translated(lambda: self.files.shown(path), operation)
