"""Storage in a local folder: whole files appear at once or not at all."""

import contextlib
import errno
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from pasd_batch.storage.errors import InvalidLocation, StorageError, refuse_larger
from pasd_batch.storage.local_listing import Skip, files_below
from pasd_batch.storage.partial_files import discard, flush_folder, is_partial, write_partial

LONGEST_PATH = 4095
"""Most bytes of a path: Linux' PATH_MAX without the NUL."""

_CHUNK = 1 << 20
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


@dataclass(frozen=True)
class FileState:
    """A file or object as it is now: its size, and what changes when it does."""

    bytes: int
    version: str


@dataclass(frozen=True)
class LocalFiles:
    """Files below the absolute folder `root`; keys are relative paths. Errors are those of the system."""

    root: str
    linked_folder: str | None = None
    """The one folder at the top of the root that may be a link to another disk; what it links to is its bound."""

    @property
    def longest_key(self) -> int:
        """Most bytes of a key whose file the system can open."""
        return LONGEST_PATH - len(os.fsencode(self.root)) - 1

    def uri(self, key: str) -> str:
        """The absolute path, which is how local files are named to people and in rows."""
        return os.path.join(self.root, key) if key else self.root

    def shown(self, key: str) -> str:
        """Name of the file in messages."""
        return self.uri(key)

    def read(self, key: str, max_bytes: int | None) -> bytes:
        """The file's bytes, at most `max_bytes` of them."""
        with open_regular(self._inside(key)) as file:
            refuse_larger(self.shown(key), os.fstat(file.fileno()).st_size, max_bytes)
            chunks: list[bytes] = []
            total = 0
            while chunk := file.read(_CHUNK):
                chunks.append(chunk)
                total += len(chunk)
                refuse_larger(self.shown(key), total, max_bytes)
        return b"".join(chunks)

    def state(self, key: str) -> FileState:
        """Size of the file, and the time of its last change."""
        found = os.stat(self._inside(key))
        return FileState(found.st_size, str(found.st_mtime_ns))

    def folders(self) -> list[str]:
        """Names of the folders directly below the root."""
        try:
            with os.scandir(self.root) as entries:
                return [entry.name for entry in entries if entry.is_dir()]
        except FileNotFoundError:
            return []

    def stream(self, key: str, into: BinaryIO) -> None:
        """Write the file's bytes into another file, a piece at a time."""
        with open_regular(self._inside(key)) as file:
            shutil.copyfileobj(file, into, _CHUNK)

    def upload(self, key: str, source: Path) -> None:
        """Put a copy of another file there whole, in place of any that is there."""
        with source.open("rb") as file:
            self._put(key, iter(lambda: file.read(_CHUNK), b""))

    def write(self, key: str, data: bytes) -> None:
        """Put the file there whole, in place of any that is there."""
        self._put(key, (data,))

    def _put(self, key: str, chunks: Iterable[bytes]) -> None:
        target = self._inside(key)
        partial = write_partial(target, chunks)
        try:
            os.replace(partial, target)
        except OSError:
            discard(partial)
            raise
        flush_folder(target.parent)

    def create(self, key: str, data: bytes, creator: str) -> None:
        """Put the file there whole unless something is there: a hard link to a finished temporary file.

        `creator` is not recorded: whether a link was made is never in doubt here.

        Raises:
            FileExistsError: something is there.
            StorageError: the file system has no hard links, so that this cannot be done atomically.
        """
        target = self._inside(key)
        partial = write_partial(target, (data,))
        try:
            os.link(partial, target)
        except FileExistsError:
            # Over NFS a link whose answer was lost is made again, and then "exists": the count tells.
            if partial.stat().st_nlink < 2:
                raise
        except OSError as error:
            if error.errno in _NO_LINKS:
                raise StorageError(
                    f"{self.shown(key)}: this file system has no hard links, so a file cannot be created "
                    "atomically; use a folder on another disk, or object storage"
                ) from None
            raise
        finally:
            discard(partial)
        flush_folder(target.parent)

    def creator(self, key: str) -> str | None:
        """None: files do not say which `create` made them."""
        return None

    def is_file(self, key: str) -> bool:
        """True if a file is there (a folder does not count)."""
        return self._inside(key).is_file()

    def remove(self, key: str) -> None:
        """Delete the file if it is there."""
        self._inside(key).unlink(missing_ok=True)

    def list(self, prefix: str, skip: Skip | None = None) -> Iterator[str]:
        """Relative paths of all files below the folder `prefix`, in no set order; linked folders are left out.

        With `skip` it is told of what cannot be listed below the folder, and of what is no file; else that is an error,
        or listed.
        """
        top = self._inside(prefix) if prefix else Path(self.root)
        yield from (Path(path).relative_to(self.root).as_posix() for path in files_below(top, skip))

    def is_link(self, key: str) -> bool:
        """True if a link is there."""
        return os.path.islink(Path(self.root, key))

    def move(self, key: str, target: str) -> None:
        """Rename the file, in place of any that is called `target`; nothing happens if it is not there."""
        source, place = self._inside(key), self._inside(target)
        if not source.exists():
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.replace(source, place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self.write(target, source.read_bytes())  # from a linked folder, which is on another disk
            source.unlink()
        flush_folder(place.parent)
        flush_folder(source.parent)

    def remove_partial(self, older_than: float, prefix: str) -> int:
        """Delete temporary files of killed processes that are older than so many seconds; how many there were."""
        removed = 0
        tops = [Path(self.root, prefix)]
        if not prefix and self.linked_folder is not None and self.is_link(self.linked_folder):
            tops.append(Path(self.root, self.linked_folder))
        for folder, _, names in chain.from_iterable(map(os.walk, tops)):
            for path in (Path(folder, name) for name in names if is_partial(name)):
                # Writers at work rename or delete theirs at any moment.
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - path.stat().st_mtime > older_than:
                        path.unlink()
                        removed += 1
        return removed

    def remove_empty_folders(self, prefix: str) -> None:
        """Delete the folders below `prefix` that hold nothing; for folders that nobody else writes to meanwhile."""
        for folder, _, _ in os.walk(self._inside(prefix), topdown=False):
            if not os.listdir(folder):
                os.rmdir(folder)

    def _inside(self, key: str) -> Path:
        # Not Path.resolve(), whose RuntimeError for links in a circle says nothing about the storage.
        root, target = os.path.realpath(self.root), Path(self.root, key)
        bounds = [root]
        if self.linked_folder is not None and key.partition("/")[0] == self.linked_folder:
            bounds.append(os.path.realpath(os.path.join(root, self.linked_folder)))
        if not any(Path(os.path.realpath(target)).is_relative_to(bound) for bound in bounds):
            raise InvalidLocation(f"{target} leads out of {self.root} through a link; replace the link by the file")
        return target


def open_regular(path: str | Path) -> BinaryIO:
    """The file at `path`, opened for reading; the system's errors.

    Raises:
        StorageError: it is a folder, or a pipe or device, where opening or reading may wait for ever.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise StorageError(f"{path} is a folder or a device; give the path of a file")
    return open(path, "rb")
