"""Cache of fetched weights on this machine: each set of files is there whole, or is not there.

`PASD_BATCH_CACHE` names its folder; else it is in `XDG_CACHE_HOME`, or in `~/.cache`. It belongs on a disk of the node,
as locks on network file systems cannot be relied on. What is fetched goes into a folder beside, file by file, which
takes its name when all is there: a fetch that was killed is taken up at the file where it was, by whoever comes next.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from filelock import FileLock

from pasd_batch.storage.errors import StorageError, StorageFull, TransientStorageError, classify
from pasd_batch.storage.local_files import FileState
from pasd_batch.storage.location import check_relative
from pasd_batch.storage.storage import Storage

VARIABLE = "PASD_BATCH_CACHE"
_PART = ".pasd-partial"


def cache_folder() -> Path:
    """Folder of everything that this package caches."""
    if own := os.environ.get(VARIABLE):
        return Path(own).expanduser().absolute()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path("~/.cache").expanduser()) / "pasd_batch"


def cached(
    address: str,
    shown: str,
    storage: Storage,
    names: Sequence[str],
    hashes: Mapping[str, str],
    *,
    single: str | None,
) -> Path:
    """Have files of a storage in the cache as they are there now; other processes wait for the one that fetches them.

    Args:
        address: identifies the storage.
        shown: names it in messages.
        storage: the files' own.
        names: relative names; one empty text stands for the storage's root, which is a file then.
        hashes: SHA-256 of those for which it is known.
        single: name to keep that one file by.

    Returns:
        The folder that the files are in, or the one file.

    Raises:
        StorageError: a file cannot be had, or is not what its hash says; or the cache cannot be written.
    """
    states = {name: storage.state(name) for name in names}
    whole = _folder(address, states)
    partial = whole.with_name(f"{whole.name}{_PART}")
    try:
        whole.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{whole}.lock"):
            if not whole.is_dir():
                for name, state in states.items():
                    target = partial / (single or check_relative(name))
                    if not (target.is_file() and target.stat().st_size == state.bytes):
                        _fetch(storage, name, target, hashes.get(name), shown)
                partial.rename(whole)
    except (OSError, StorageFull) as error:
        raise _about_cache(error) from None
    return whole / single if single else whole


def cached_folder(address: str, storage: Storage, names: Sequence[str]) -> Path:
    """Folder of the cache that files of a storage would be in as they are now, whether it is there or not.

    Raises:
        StorageError: a file is not at the storage.
    """
    return _folder(address, {name: storage.state(name) for name in names})


def _folder(address: str, states: Mapping[str, FileState]) -> Path:
    told = "\n".join(f"{name}\t{state.bytes}\t{state.version}" for name, state in states.items())
    return cache_folder() / "weights" / _digest(address) / _digest(told)


def _fetch(storage: Storage, name: str, target: Path, sha256: str | None, shown: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}{_PART}")
    try:
        storage.download(name, unfinished)
        if sha256 is not None:
            with unfinished.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256:
                raise TransientStorageError(
                    f"{shown}: {name} is not what its index says (SHA-256 {found[:12]}..., not {sha256[:12]}...); "
                    "fetch again, or make the mirror again"
                )
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _about_cache(error: OSError | StorageFull) -> StorageError:
    found = error if isinstance(error, StorageFull) else classify(error, str(cache_folder()))
    if isinstance(found, StorageFull):
        return StorageFull(
            f"{cache_folder()}: no space left for weights; free some, or name another disk with {VARIABLE}"
        )
    return type(found)(f"{found}; {VARIABLE} can name another folder for weights")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
