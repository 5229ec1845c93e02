"""Storage in a local folder: whole files appear at once or not at all."""

import contextlib
import errno
import logging
import os
import stat
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pasd_batch.data.storage_errors import InvalidLocation, StorageError, TooLarge

_logger = logging.getLogger(__name__)

_PARTIAL_PREFIX = "."
_PARTIAL_SUFFIX = ".pasd-partial"
_CHUNK = 1 << 20
_NO_FOLDER_FLUSH = frozenset({errno.EINVAL, errno.EBADF})  # what file systems say that cannot flush a folder
_undeleted: set[Path] = set()
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


@dataclass(frozen=True)
class LocalFiles:
    """Files below the absolute folder `root`; keys are relative paths. Errors are those of the system."""

    root: str

    def uri(self, key: str) -> str:
        """The absolute path, which is how local files are named to people and in rows."""
        return os.path.join(self.root, key) if key else self.root

    def shown(self, key: str) -> str:
        """What messages call the file."""
        return self.uri(key)

    def read(self, key: str, max_bytes: int | None) -> bytes:
        """The file's bytes, at most `max_bytes` of them."""
        path = self._inside(key)
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise StorageError(f"{path} is a folder or a device; give the path of a file")
        _check_size(self.shown(key), status.st_size, max_bytes)
        with open(path, "rb") as file:
            chunks: list[bytes] = []
            total = 0
            while chunk := file.read(_CHUNK):
                chunks.append(chunk)
                total += len(chunk)
                _check_size(self.shown(key), total, max_bytes)
        return b"".join(chunks)

    def write(self, key: str, data: bytes) -> None:
        """Put the file there whole, in place of any that is there."""
        target = self._inside(key)
        partial = _write_partial(target, data)
        try:
            os.replace(partial, target)
        except OSError:
            _discard(partial)
            raise
        _flush_folder(target.parent)

    def create(self, key: str, data: bytes, creator: str) -> None:
        """Put the file there whole unless something is there: a hard link to a finished temporary file.

        `creator` is not recorded: whether a link was made is never in doubt here.

        Raises:
            FileExistsError: something is there.
            StorageError: the file system has no hard links, so that this cannot be done atomically.
        """
        target = self._inside(key)
        partial = _write_partial(target, data)
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
            _discard(partial)
        _flush_folder(target.parent)

    def creator(self, key: str) -> str | None:
        """None: files do not say which `create` made them."""
        return None

    def is_file(self, key: str) -> bool:
        """Whether a file is there (a folder does not count)."""
        return self._inside(key).is_file()

    def remove(self, key: str) -> None:
        """Delete the file if it is there."""
        self._inside(key).unlink(missing_ok=True)

    def list(self, prefix: str) -> Iterator[str]:
        """Relative paths of all files below the folder `prefix`, in no set order; linked folders are left out."""
        folders = [self._inside(prefix) if prefix else Path(self.root)]
        while folders:
            try:
                entries = list(os.scandir(folders.pop()))
            except FileNotFoundError:
                continue
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif entry.is_dir():
                    _logger.warning("%s is a link to a folder and is not followed", entry.path)
                elif not _is_partial(entry.name):
                    yield Path(entry.path).relative_to(self.root).as_posix()

    def remove_partial(self, older_than: float) -> int:
        """Delete temporary files of killed processes that are older than so many seconds; how many there were."""
        removed = 0
        for folder, _, names in os.walk(self.root):
            for path in (Path(folder, name) for name in names if _is_partial(name)):
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
        root, target = Path(self.root).resolve(), Path(self.root, key)
        if not target.resolve().is_relative_to(root):
            raise InvalidLocation(f"{target} leads out of {self.root} through a link; replace the link by the file")
        return target


def _write_partial(target: Path, data: bytes) -> Path:
    for left in list(_undeleted):
        _discard(left)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The name stays short, because the target's own may already be as long as the file system allows.
    partial = target.parent / f"{_PARTIAL_PREFIX}{uuid.uuid4().hex}{_PARTIAL_SUFFIX}"
    try:
        with open(partial, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        _discard(partial)
        raise
    return partial


def _discard(partial: Path) -> None:
    """Delete a temporary file; one whose disk refuses that for now goes before the next file is written."""
    try:
        partial.unlink(missing_ok=True)
    except OSError:
        _undeleted.add(partial)
    else:
        _undeleted.discard(partial)


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows has no handle on a folder; its rename is durable without
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_FLUSH:
            raise
    finally:
        os.close(handle)


def _is_partial(name: str) -> bool:
    return name.startswith(_PARTIAL_PREFIX) and name.endswith(_PARTIAL_SUFFIX)


def _check_size(shown: str, size: int, max_bytes: int | None) -> None:
    if max_bytes is not None and size > max_bytes:
        raise TooLarge(f"{shown}: {size:,} bytes is more than the limit of {max_bytes:,}; raise it or shrink the file")
