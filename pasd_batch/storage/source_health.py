"""Health of a photo's source: whether a photo that cannot be fetched is to blame, or all that lies beside it.

A disk with one bad sector and a disk that is gone fail a read alike. What tells them apart is the neighbourhood: if
other files of the same folder can be read, or the bucket answers, the photo is to blame. Web servers are nobody's
storage, and one that is gone for good must not keep a run from its end: there a photo always answers for itself.
"""

import os
from collections.abc import Iterator
from itertools import islice

from pasd_batch.config.storage import StorageSettings
from pasd_batch.storage.errors import (
    CredentialsRefused,
    InvalidLocation,
    NotFound,
    StorageError,
    TransientStorageError,
    translated,
)
from pasd_batch.storage.location import Location, parse_location, redact_uri
from pasd_batch.storage.remote_files import RemoteFiles

_NEIGHBOURS = 5
_PASSES_OVER = 1000


class SourceInTrouble(StorageError):
    """Error of a source of photos, which says nothing about any of them."""


def trouble_of_source(
    uri: str, error: StorageError, source_root: str | None, storage_settings: StorageSettings
) -> StorageError | None:
    """Fault of the place of `uri`, which `error` kept from being read; None if nothing else is wrong there.

    `source_root` is the folder that all photos have in common, if there is one.
    """
    if isinstance(error, CredentialsRefused):
        return error
    location = parse_location(uri, allowed_schemes=storage_settings.allowed_schemes)
    if isinstance(error, NotFound) and location.scheme == "file":
        return _missing_root(source_root, storage_settings)
    if not isinstance(error, TransientStorageError):
        return None
    try:
        if location.scheme == "file":
            translated(lambda: os.path.dirname(location.path), lambda: _read_beside(location.path))
        elif location.scheme == "s3":
            translated(lambda: redact_uri(uri), lambda: _list_beside(location, storage_settings))
    except (TransientStorageError, CredentialsRefused, NotFound) as trouble:
        return trouble
    except StorageError:
        return None  # listing may be forbidden where reading is not
    return None


def _missing_root(source_root: str | None, storage_settings: StorageSettings) -> StorageError | None:
    if not source_root:
        return None
    try:
        location = parse_location(source_root, allowed_schemes=storage_settings.allowed_schemes)
    except InvalidLocation:
        return None
    if location.scheme != "file":
        return None
    try:
        with os.scandir(location.path) as entries:
            if next(entries, None) is not None:
                return None
    except OSError as error:
        return StorageError(f"{location.path}, the folder of all photos, cannot be looked at: {error.strerror}")
    return StorageError(f"{location.path}, the folder of all photos, is empty; is its disk mounted?")


def _read_beside(path: str) -> None:
    """Read a byte of another file in the same folder; where there is none the folder alone has to do."""
    trouble: OSError | None = None
    for neighbour in islice(_other_files(path), _NEIGHBOURS):
        try:
            with open(neighbour, "rb", buffering=0) as file:
                file.read(1)
        except (FileNotFoundError, PermissionError):
            continue
        except OSError as error:
            trouble = error
        else:
            return
    if trouble is not None:
        raise trouble


def _other_files(path: str) -> Iterator[str]:
    name = os.path.basename(path)
    with os.scandir(os.path.dirname(path)) as entries:
        for entry in islice(entries, _PASSES_OVER):
            if entry.name != name and entry.is_file():  # a pipe might never answer
                yield entry.path


def _list_beside(location: Location, storage_settings: StorageSettings) -> None:
    bucket = location.path.partition("/")[0]
    RemoteFiles(location.scheme, bucket, storage_settings.retry.timeout).page("", None)
