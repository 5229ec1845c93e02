"""Photos of this machine by file, folder or glob, each with the id that a manifest of what was given has it by."""

import glob
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pasd_batch.batch.local.errors import CannotRestore
from pasd_batch.config.storage import StorageSettings
from pasd_batch.manifests.file_pages import page_id
from pasd_batch.manifests.listing import NOT_UTF8, FoundFiles, find_files
from pasd_batch.photos.page_sizes import page_sizes
from pasd_batch.storage.errors import StorageError
from pasd_batch.storage.redaction import lacks_slashes, redact_uri

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalPhoto:
    """A file that is to be restored, whether or not it is there."""

    path: str
    """Absolute."""
    photo_id: str
    """Its path below `folder`."""
    folder: str
    """Folder that the output tree mirrors from, absolute, a slash at its end."""
    page: int | None = None
    """Page of the file that the photo is, from 1; None: the first."""


def find_photos(given: Sequence[str], output: str) -> list[LocalPhoto]:
    """The files given, and all photos in the folders and globs given, in order; what these leave out is logged.

    A folder or glob is searched as a run searches its `manifest.path`: without hidden files and links to folders. What
    lies in the folder `output` is left out too.

    Raises:
        CannotRestore: a URI is given, a folder or glob has no photos or cannot be read, or no file given is there.
    """
    photos = [photo for name in given for photo in _photos_of(name, output)]
    if not any(os.path.isfile(photo.path) for photo in photos):
        raise CannotRestore(f"{', '.join(given) or 'no photos are named'}: no such file; check the path")
    return photos


def every_page(photos: Sequence[LocalPhoto]) -> list[LocalPhoto]:
    """Photos with each page of their files in their place; a file that cannot be read stays one."""
    return [page for photo in photos for page in _pages_of(photo)]


def _pages_of(photo: LocalPhoto) -> list[LocalPhoto]:
    try:
        with open(photo.path, "rb") as file:
            count = len(page_sizes(file))
    except Exception as error:  # noqa: BLE001 (readers raise almost anything at damaged files)
        _logger.warning("%s: taken as one page, as its pages cannot be counted: %s", photo.path, error)
        count = 0
    pages = range(1, count + 1)
    return [replace(photo, photo_id=page_id(photo.photo_id, page), page=page) for page in pages] or [photo]


def _photos_of(name: str, output: str) -> list[LocalPhoto]:
    if not name:
        raise CannotRestore("a photo has an empty name, perhaps of a variable that is not set; name a file or folder")
    if "://" in name or lacks_slashes(name):
        raise CannotRestore(
            f"{redact_uri(name)}: restore takes files, folders and globs of this machine; for other places list them "
            "with pasd-batch manifest, and restore them with pasd-batch run"
        )
    path = os.path.abspath(name if os.path.lexists(name) else os.path.expanduser(name))
    if os.path.isdir(path) or (glob.has_magic(path) and not os.path.lexists(path)):
        return _listed(name, path, output)
    return [_file(path)]


def _file(path: str) -> LocalPhoto:
    folder, name = os.path.split(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise CannotRestore(f"{path}: left out, {NOT_UTF8}") from None
    return LocalPhoto(path, name, _with_slash(folder))


def _listed(name: str, path: str, output: str) -> list[LocalPhoto]:
    try:
        found = find_files(path, StorageSettings())
        uris = [uri for uri in sorted(found.photos()) if not _is_result(uri, found, output)]
    except StorageError as error:
        raise CannotRestore(f"{name}: cannot be read: {error}") from error
    if not uris:
        where = "in this folder" if os.path.isdir(path) else "match"
        why = "".join(f"; {line}" for line in found.left_out.lines())
        raise CannotRestore(f"{name}: no photos {where}; check the path{why}")
    found.left_out.warn(name)
    return [LocalPhoto(uri, found.name(uri), _with_slash(found.folder)) for uri in uris]


def _is_result(uri: str, found: FoundFiles, output: str) -> bool:
    """True for what lies in an output folder inside of the folder that is searched."""
    top = _with_slash(os.path.realpath(found.folder or os.sep))
    results = _with_slash(os.path.realpath(output))
    return results != top and results.startswith(top) and f"{top}{found.name(uri)}".startswith(results)


def _with_slash(folder: str) -> str:
    return f"{folder.rstrip(os.sep)}{os.sep}"
