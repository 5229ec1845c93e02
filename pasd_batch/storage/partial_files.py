"""Temporary files that whole ones are made from: written durably beside their target, and deleted in the end."""

import errno
import os
import uuid
from collections.abc import Iterable
from pathlib import Path

_PREFIX = "."
_SUFFIX = ".pasd-partial"
_NO_FOLDER_FLUSH = frozenset({errno.EINVAL, errno.EBADF})  # what file systems say that cannot flush a folder
_undeleted: set[Path] = set()


def write_partial(target: Path, chunks: Iterable[bytes]) -> Path:
    """Write a temporary file beside its target, durably, to be renamed or linked; errors are the system's."""
    for left in list(_undeleted):
        discard(left)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # a file, or a link to nothing: not that the target was created before
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(error.filename)) from None
    # The name stays short, because the target's own may already be as long as the file system allows.
    partial = target.parent / f"{_PREFIX}{uuid.uuid4().hex}{_SUFFIX}"
    try:
        with open(partial, "xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        discard(partial)
        raise
    return partial


def discard(partial: Path) -> None:
    """Delete a temporary file; one whose disk refuses that for now goes before the next file is written."""
    try:
        partial.unlink(missing_ok=True)
    except OSError:
        _undeleted.add(partial)
    else:
        _undeleted.discard(partial)


def flush_folder(folder: Path) -> None:
    """Make the names in the folder durable, as far as its file system can."""
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


def is_partial(name: str) -> bool:
    """True for the name of a temporary file."""
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)
