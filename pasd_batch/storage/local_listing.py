"""Listings of local folders: every file below one, and why some are left out."""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pasd_batch.storage.partial_files import is_partial

_logger = logging.getLogger(__name__)

Skip = Callable[[str, str], None]
"""Is told of a path that a listing leaves out, and why."""

UNREADABLE = "cannot be read"
LINKED_FOLDER = "links to folders are not followed"
DANGLING_LINK = "links that lead nowhere"
NO_FILE = "neither files nor folders"


def files_below(top: Path, skip: Skip | None) -> Iterator[str]:
    """Paths of all files below a folder but temporary ones, by name, its own before those below it; no linked folders.

    With `skip` it is told of what cannot be listed below the folder, and of what is no file; else that is an error, or
    listed. A folder that is not there has no files.
    """
    folders = [top]
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        except OSError as error:
            if skip is None or folder is top:
                raise
            skip(str(folder), _reason(error))
            continue
        below: list[Path] = []
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                below.append(Path(entry.path))
            elif not is_partial(entry.name) and not _left_out(entry, skip):
                yield entry.path
        folders += reversed(below)


def _left_out(entry: os.DirEntry[str], skip: Skip | None) -> bool:
    """True if what is no folder itself is left out of a listing."""
    try:
        linked_folder = entry.is_symlink() and entry.is_dir()
        if skip is None:
            if linked_folder:
                _logger.warning("%s is a link to a folder and is not followed", entry.path)
            return linked_folder
        if not linked_folder and entry.is_file():
            return False
        dangling = entry.is_symlink() and not os.path.exists(entry.path)
    except OSError as error:
        if skip is None:
            raise
        skip(entry.path, _reason(error))
        return True
    skip(entry.path, LINKED_FOLDER if linked_folder else DANGLING_LINK if dangling else NO_FILE)
    return True


def _reason(error: OSError) -> str:
    return f"{UNREADABLE} ({os.strerror(error.errno) if error.errno else type(error).__name__})"
