"""Sources of weights: a local folder or file, a name on the hub, or an address that the storage layer reads.

All can say which files they have without fetching any, and have the wanted ones on this machine. A folder is a mapping
of relative names to sizes; a source that is one file has a single one, called by the empty text.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import urlsplit

from pasd_batch.config.storage import StorageSettings
from pasd_batch.config.weights import HUB, INDEX, HubName
from pasd_batch.storage.errors import InvalidLocation, NotFound
from pasd_batch.storage.filesystems import HTTP
from pasd_batch.storage.hub import HubFiles
from pasd_batch.storage.location import parse_location, redact_uri
from pasd_batch.storage.remote_files import RemoteFiles
from pasd_batch.storage.storage import Storage
from pasd_batch.storage.weights_cache import cached, cached_folder

_MOST_INDEX_BYTES = 16 * 2**20
_SINGLE = (".safetensors", ".ckpt", ".bin", ".pt", ".pth")


class WeightSource(Protocol):
    """A place of weights; its text names it without secrets. Every method raises `StorageError`s."""

    def pinned(self) -> str:
        """An address of the same that does not move, as far as its kind has such."""
        ...

    def files(self) -> Mapping[str, int]:
        """Bytes of every file."""
        ...

    def fetch(self, names: Collection[str]) -> Path:
        """Have these files on this machine: the folder that they are in, or the one file."""
        ...

    def is_here(self, names: Collection[str]) -> bool:
        """True if these files are on this machine already; if not, makes sure that they may be fetched."""
        ...


def weight_source(weights: Path | str, storage_settings: StorageSettings) -> WeightSource:
    """The source that a setting of weights names. Nothing is contacted.

    Raises:
        InvalidLocation: the address is malformed.
    """
    if isinstance(weights, Path):
        return LocalWeights(weights.expanduser())
    if weights.startswith(HUB):
        return HubFiles(HubName.parse(weights))
    # What a configuration names as weights is its author's own choice, unlike what a manifest names.
    scheme = weights.partition("://")[0].lower()
    location = parse_location(weights, allowed_schemes=storage_settings.allowed_schemes | {scheme})
    if location.scheme == "file":
        return LocalWeights(Path(location.path), weights)
    return StoredWeights(weights, storage_settings)


@dataclass(frozen=True)
class LocalWeights:
    """A folder or file of this machine."""

    path: Path
    address: str = ""
    """Address that it is named by, if it is by one."""

    def __str__(self) -> str:
        return str(self.path)

    def pinned(self) -> str:
        """The address or path itself."""
        return self.address or str(self.path)

    def files(self) -> Mapping[str, int]:
        """Bytes of every file.

        Raises:
            NotFound: there is nothing at the path.
        """
        if self.path.is_file():
            return {"": self.path.stat().st_size}
        if not self.path.is_dir():
            raise NotFound(f"{self.path}: no such folder or file{self._looked_in()}; check the path{self._on_hub()}")
        found = (each for each in self.path.rglob("*") if each.is_file())
        sizes = {each.relative_to(self.path).as_posix(): each.stat().st_size for each in found}
        sizes.pop(INDEX, None)
        return sizes

    def fetch(self, names: Collection[str]) -> Path:
        """The path itself."""
        return self.path

    def is_here(self, names: Collection[str]) -> bool:
        """True: the path is of this machine."""
        return True

    def _looked_in(self) -> str:
        return "" if self.path.is_absolute() else f" in {Path.cwd()}"

    def _on_hub(self) -> str:
        """Words for somebody who means a repository: all other programs take such a name for one."""
        text = self.path.as_posix()
        is_like_one = not self.path.is_absolute() and len(self.path.parts) == 2 and text[0] not in ".~"
        return f", or write {HUB}{text} if it is a repository of the Hugging Face Hub" if is_like_one else ""


@dataclass(frozen=True)
class StoredWeights:
    """A folder or file in an object store or on a web server; fetched ones are kept in this machine's cache."""

    address: str
    storage_settings: StorageSettings

    def __str__(self) -> str:
        return redact_uri(self.address)

    def pinned(self) -> str:
        """The address itself: of what is there now, hashes tell."""
        return self.address

    def files(self) -> Mapping[str, int]:
        """Bytes of every file.

        Raises:
            NotFound: there is nothing.
            InvalidLocation: a folder on a web server without an index.
        """
        storage = self._storage()
        if (index := self._index(storage)) is not None:
            return {entry["name"]: entry["bytes"] for entry in index}
        if self._is_single:
            return {"": storage.state("").bytes}
        if self._is_web:
            raise InvalidLocation(
                f"{self}: web servers do not list folders, and there is no {INDEX}; name one file, or a folder that "
                "`pasd-batch weights fetch` has made"
            )
        names = sorted(storage.list())
        if not names:
            raise NotFound(f"{self}: no files there; check the address")
        return {name: storage.state(name).bytes for name in names}

    def fetch(self, names: Collection[str]) -> Path:
        """Have these files in the cache: the folder that they are in, or the one file.

        Raises:
            StorageError: they cannot be had, or differ from what the index says; none of them is there half.
        """
        storage = self._storage()
        index = self._index(storage) or []
        hashes = {entry["name"]: entry["sha256"] for entry in index}
        kept_as = PurePosixPath(urlsplit(self.address).path).name if self._is_single else None
        return cached(self.address, str(self), storage, sorted(names), hashes, single=kept_as)

    def is_here(self, names: Collection[str]) -> bool:
        """True if these files are in the cache as they are at the address now."""
        return cached_folder(self.address, self._storage(), sorted(names)).is_dir()

    @property
    def _is_web(self) -> bool:
        return self.address.lower().startswith(tuple(f"{scheme}://" for scheme in HTTP))

    @property
    def _is_single(self) -> bool:
        return PurePosixPath(urlsplit(self.address).path).suffix in _SINGLE

    def _storage(self) -> Storage:
        scheme = self.address.partition("://")[0].lower()
        location = parse_location(self.address, allowed_schemes=frozenset({scheme}))
        hosts = tuple(sorted(self.storage_settings.allowed_hosts))
        root = location.path if self._is_single else location.path.rstrip("/")
        return Storage(
            RemoteFiles(location.scheme, root, self.storage_settings.retry.timeout, hosts), self.storage_settings.retry
        )

    def _index(self, storage: Storage) -> list[dict[str, Any]] | None:
        if self._is_single:
            return None
        try:
            read = storage.read(INDEX, max_bytes=_MOST_INDEX_BYTES)
        except NotFound:
            return None
        try:
            return [
                {"name": each["name"], "bytes": int(each["bytes"]), "sha256": each["sha256"]}
                for each in json.loads(read)
            ]
        except (ValueError, KeyError, TypeError):
            raise InvalidLocation(f"{self}: its {INDEX} is no index of weights; make the mirror again") from None
