"""Reading from anywhere: a photo as a whole, or a file by byte ranges, each of which is tried again when it fails."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from pasd_batch.config.storage import RetryPolicy, StorageSettings
from pasd_batch.storage.errors import StorageError, translated
from pasd_batch.storage.filesystems import HTTP
from pasd_batch.storage.local_files import FileState, LocalFiles, open_regular
from pasd_batch.storage.location import parse_location, redact_uri
from pasd_batch.storage.remote_files import RemoteFiles
from pasd_batch.storage.retry import with_retries

_BUFFER = 4 << 20

Result = TypeVar("Result")


def read_uri(
    uri: str,
    storage_settings: StorageSettings | None = None,
    *,
    max_bytes: int | None = None,
) -> bytes:
    """The content of a file or object anywhere that the settings allow: a path, `file://`, `s3://`, `https://` ...

    Raises:
        StorageError: as `Storage.read` does; `InvalidLocation` for a scheme or a host that is not allowed.
    """
    return _anywhere(uri, storage_settings or StorageSettings(), lambda files, path: files.read(path, max_bytes))


def state_of(uri: str, storage_settings: StorageSettings) -> FileState:
    """Size of a file or object anywhere that the settings allow, and what tells it from later ones at its place.

    Raises:
        StorageError: as `read_uri` does.
    """
    return _anywhere(uri, storage_settings, lambda files, path: files.state(path))


def _anywhere(
    uri: str, storage_settings: StorageSettings, operation: Callable[[LocalFiles | RemoteFiles, str], Result]
) -> Result:
    """Do something with the files of the place, and the path there; it is tried again when it fails."""
    location = parse_location(uri, allowed_schemes=storage_settings.allowed_schemes)
    scheme, path = location.scheme, location.path
    if scheme == "file":
        files = LocalFiles(Path(path).anchor)
    else:
        files = RemoteFiles(scheme, "", storage_settings.retry.timeout, tuple(sorted(storage_settings.allowed_hosts)))
    return with_retries(
        storage_settings.retry, lambda: translated(lambda: files.shown(path), lambda: operation(files, path))
    )


def open_for_reading(uri: str, storage_settings: StorageSettings) -> BinaryIO:
    """The file or object at `uri`, opened for reading and seeking; the caller closes it.

    Objects are read in ranges as they are asked for. HTTP cannot be relied on for ranges: it is read whole.

    Raises:
        StorageError: it is not there, or cannot be read; reading may raise it too.
    """
    location = parse_location(uri, allowed_schemes=storage_settings.allowed_schemes)
    if location.scheme == "file":
        return translated(lambda: redact_uri(uri), lambda: open_regular(location.path))
    if location.scheme in HTTP:
        return io.BytesIO(read_uri(uri, storage_settings))
    return cast(
        BinaryIO, io.BufferedReader(_open_remote(uri, location.scheme, location.path, storage_settings.retry), _BUFFER)
    )


class RangedFile(io.RawIOBase):
    """An object of `size` bytes as a Python file; `read_range(start, stop)` fetches a part of it."""

    def __init__(self, size: int, read_range: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._size = size
        self._read_range = read_range
        self._position = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Bytes from the start to where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to `offset` bytes from the start, the present position or the end."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` from the present position; 0 at the end."""
        stop = min(self._position + len(buffer), self._size)
        if stop <= self._position:
            return 0
        data = self._read_range(self._position, stop)
        buffer[: len(data)] = data
        self._position = stop
        return len(data)


def _open_remote(uri: str, scheme: str, path: str, retry: RetryPolicy) -> RangedFile:
    remote = RemoteFiles(scheme, "", retry.timeout)

    def size() -> int:
        found = remote.size(path)
        if found is None:
            raise StorageError(f"{redact_uri(uri)} is a folder; name a file in it")
        return found

    def read_range(start: int, stop: int) -> bytes:
        return remote.read_range(path, start, stop)

    def patiently(operation: Callable[[], Result]) -> Result:
        return with_retries(retry, lambda: translated(lambda: redact_uri(uri), operation))

    return RangedFile(patiently(size), lambda start, stop: patiently(lambda: read_range(start, stop)))
