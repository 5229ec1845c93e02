"""Storage behind fsspec: S3, Google, Azure, HTTP (reading only), and memory for tests.

An object is always sent in one piece that the store makes visible when it is complete. S3 objects carry in their
metadata which call created them, because a create whose answer was lost is sent again, by `Storage` or, unseen,
by aiohttp on a connection that the server closed: what is then in the way may be our own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from fsspec.spec import AbstractFileSystem

from pasd_batch.storage.answers import require_no_page
from pasd_batch.storage.errors import StorageError, TransientStorageError, refuse_larger
from pasd_batch.storage.filesystems import HTTP, open_filesystem
from pasd_batch.storage.local_files import FileState
from pasd_batch.storage.location import redact_uri
from pasd_batch.storage.whole_bodies import Bounds, read_from_s3, seconds_for, stream_from_web

_LONGEST_KEY = 1024  # S3, Google and Azure
_CREATOR = "pasd-batch-create"
_VERSIONS = ("ETag", "etag", "md5Hash", "content_md5", "updated", "last_modified", "mtime", "created")
"""Names under which fsspec's file systems give what changes with an object, the surest first."""


@dataclass(frozen=True)
class RemoteFiles:
    """Objects below `root` (`bucket/prefix`, or a URL for HTTP); keys are relative. Errors are the library's."""

    scheme: str
    root: str
    timeout: float
    allowed_hosts: tuple[str, ...] = ()
    """Hosts that HTTP may reach besides the public internet."""

    @cached_property
    def filesystem(self) -> Any:
        """The file system of this process; made on first use, shared by threads, left out when pickled."""
        try:
            return open_filesystem(self.scheme, self.timeout, self.allowed_hosts)
        except ImportError as error:
            raise StorageError(f"{self.scheme}:// needs another package: {error}") from None

    def __reduce__(self) -> tuple[type["RemoteFiles"], tuple[Any, ...]]:
        return RemoteFiles, (self.scheme, self.root, self.timeout, self.allowed_hosts)

    @property
    def longest_key(self) -> int:
        """Most bytes of a key below the root that stores take."""
        return _LONGEST_KEY - len(self.root.partition("/")[2].encode()) - 1

    def uri(self, key: str) -> str:
        """The object's full URI."""
        path = self._path(key)
        return path if self.scheme in HTTP else f"{self.scheme}://{path.lstrip('/')}"

    def shown(self, key: str) -> str:
        """Name of the object in messages: its URI without secrets."""
        return redact_uri(self.uri(key))

    def read(self, key: str, max_bytes: int | None) -> bytes:
        """The object's bytes, at most `max_bytes` of them; a body that is cut short is a transient failure."""
        if self.scheme in HTTP:
            return self._read_http(key, max_bytes)
        if self.scheme == "s3":
            bounds = Bounds(self.shown(key), max_bytes, self.timeout)
            return read_from_s3(self.filesystem, self._s3_key(key), bounds)
        size = self.size(key)
        if size is None:
            raise FileNotFoundError(self._path(key))
        refuse_larger(self.shown(key), size, max_bytes)
        if size == 0:
            return b""  # a byte range of an empty object is refused with 416
        # One byte more than there should be: an object replaced in between by a longer one is noticed too.
        data = self._fetch(key, 0, size + 1)
        if len(data) != size:
            raise TransientStorageError(f"{self.shown(key)}: got {len(data):,} of {size:,} bytes; try again")
        return data

    def size(self, key: str) -> int | None:
        """Bytes of the object; None where there is a folder instead (object stores but S3)."""
        if self.scheme == "s3":
            return int(self._head(key)["ContentLength"])
        entry = self.filesystem.info(self._path(key), **self._limit(0))
        return int(entry["size"]) if entry["type"] == "file" else None

    def state(self, key: str) -> FileState:
        """Size of the object and the store's mark of its content or change, as far as it gives one."""
        if self.scheme == "s3":
            head = self._head(key)
            return FileState(int(head["ContentLength"]), head["ETag"])
        entry = self.filesystem.info(self._path(key), **self._limit(0))
        if not isinstance(entry.get("size"), int) or entry.get("type", "file") != "file":
            raise StorageError(f"{self.shown(key)}: no file, or one of unknown size; give the address of a file")
        return FileState(entry["size"], next((str(entry[name]) for name in _VERSIONS if entry.get(name)), ""))

    @property
    def has_ranges(self) -> bool:
        """False for web servers, which may send the whole instead of a range."""
        return self.scheme not in HTTP

    def stream(self, key: str, into: BinaryIO) -> None:
        """Write what a web server sends into a file, a piece at a time."""
        self._get_http(key, into.write, None)

    def upload(self, key: str, source: Path) -> None:
        """Put a copy of a local file there whole, in place of any object that is there."""
        self.filesystem.put_file(str(source), self._path(key), **self._limit(source.stat().st_size))

    def read_range(self, key: str, start: int, stop: int) -> bytes:
        """The object's bytes from `start` up to `stop`, both within it; fewer of them are a transient failure."""
        data = self._fetch(key, start, stop)
        if len(data) != stop - start:
            raise TransientStorageError(f"{self.shown(key)}: got {len(data):,} of {stop - start:,} bytes; try again")
        return data

    def write(self, key: str, data: bytes) -> None:
        """Put the object there whole, in place of any that is there."""
        self.filesystem.pipe_file(self._path(key), data, **self._limit(len(data)))

    def create(self, key: str, data: bytes, creator: str) -> None:
        """Put the object there whole unless one is there, by a conditional request; record `creator` on S3."""
        options = {"Metadata": {_CREATOR: creator}} if self.scheme == "s3" else {}
        self.filesystem.pipe_file(self._path(key), data, mode="create", **options, **self._limit(len(data)))

    def creator(self, key: str) -> str | None:
        """The `creator` of the `create` that made the object; none where the store does not say."""
        if self.scheme != "s3":
            return None
        return self._head(key).get("Metadata", {}).get(_CREATOR)

    @property
    def creates_atomically(self) -> bool:
        """False where fsspec only imitates a create by looking first."""
        # fsspec's asynchronous file systems (S3, Google, Azure) bring a conditional request of their own.
        own = type(self.filesystem).pipe_file is not AbstractFileSystem.pipe_file
        return own or self.filesystem.async_impl

    def is_file(self, key: str) -> bool:
        """True if an object is there."""
        try:
            return self.size(key) is not None
        except FileNotFoundError:
            return False

    def remove(self, key: str) -> None:
        """Delete the object if it is there."""
        try:
            self.filesystem.rm_file(self._path(key), **self._limit(0))
        except FileNotFoundError:
            return

    def move(self, key: str, target: str) -> None:
        """Copy the object within the store and delete it; nothing happens if it is not there."""
        size = self.size(key) if self.is_file(key) else None
        if size is None:
            return
        self.filesystem.cp_file(self._path(key), self._path(target), **self._limit(size))
        self.remove(key)

    def folders(self) -> list[str]:
        """Names of the folders directly below the root: beginnings of keys up to the next slash."""
        try:
            found = self.filesystem.ls(self.root, detail=True, **self._limit(0))
        except FileNotFoundError:
            return []
        return [each["name"].rstrip("/").rpartition("/")[2] for each in found if each["type"] == "directory"]

    def page(self, prefix: str, token: str | None) -> tuple[list[str], str | None]:
        """Up to 1000 keys below the folder `prefix`, and the token of the next page (none: that was all).

        Only S3 is read by pages, so that millions of objects need not be held; others answer all at once.
        """
        folder = self._path(prefix) + "/"
        if self.scheme != "s3":
            found = [str(path) for path in self.filesystem.find(folder, **self._limit(0))]
            return [self._key(path) for path in found], None
        bucket, _, key_prefix = folder.partition("/")
        options = {"ContinuationToken": token} if token else {}
        answer = self.filesystem.call_s3(
            "list_objects_v2", Bucket=bucket, Prefix=key_prefix, **options, **self._limit(0)
        )
        # What consoles make as a folder is an empty object whose key ends in a slash.
        names = [item["Key"] for item in answer.get("Contents", []) if item["Size"] or not item["Key"].endswith("/")]
        keys = [self._key(f"{bucket}/{name}") for name in names]
        return keys, answer.get("NextContinuationToken")

    def _read_http(self, key: str, max_bytes: int | None) -> bytes:
        data = bytearray()
        content_type = self._get_http(key, data.extend, max_bytes)
        require_no_page(content_type, data, shown=self.shown(key))
        return bytes(data)

    def _get_http(self, key: str, take: Callable[[bytes], object], max_bytes: int | None) -> str:
        bounds = Bounds(self.shown(key), max_bytes, self.timeout)
        return stream_from_web(self.filesystem, self._path(key), take, bounds, stays_encrypted=self.scheme == "https")

    def _path(self, key: str) -> str:
        if not key or not self.root:
            return key or self.root
        return f"{self.root.rstrip('/')}/{quote(key)}" if self.scheme in HTTP else f"{self.root}/{key}"

    def _key(self, path: str) -> str:
        return path.removeprefix(f"{self.root}/")

    def _fetch(self, key: str, start: int, stop: int) -> bytes:
        if self.scheme != "s3":
            return self.filesystem.cat_file(self._path(key), start=start, end=stop, **self._limit(stop - start))
        from fsspec.asyn import sync

        limit = self._limit(stop - start)
        place = self._s3_key(key)
        answer = self.filesystem.call_s3("get_object", **place, Range=f"bytes={start}-{stop - 1}", **limit)

        async def body() -> bytes:
            async with answer["Body"] as stream:
                return await stream.read()

        data: Any = sync(self.filesystem.loop, body, **limit)
        return data

    def _head(self, key: str) -> Any:
        return self.filesystem.call_s3("head_object", **self._s3_key(key), **self._limit(0))

    def _s3_key(self, key: str) -> dict[str, str]:
        """Bucket and key as they are; s3fs itself drops slashes at the end, and all behind `?versionId=`."""
        path = self._path(key)
        bucket, _, _ = self.filesystem.split_path(path)
        return {"Bucket": bucket, "Key": path[len(bucket) + 1 :]}

    def _limit(self, size: int) -> dict[str, Any]:
        # fsspec's asynchronous file systems take the timeout of the whole call; the others (memory) have none.
        return {"timeout": seconds_for(size, self.timeout)} if self.filesystem.async_impl else {}
