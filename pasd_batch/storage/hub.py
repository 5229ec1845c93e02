"""Weights in model repositories of the Hugging Face Hub, through its own client: its cache, its locks, its switches.

The client takes `HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME` and `HF_HUB_OFFLINE` from the environment as it is imported. It
locks each file while it is fetched and renames it into place, so that processes that want the same one fetch it once.
"""

import errno
import glob
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pasd_batch.config.weights import HubName
from pasd_batch.storage.errors import (
    BUGS,
    Forbidden,
    InvalidLocation,
    NotFound,
    StorageError,
    StorageFull,
    TransientStorageError,
)

Result = TypeVar("Result")

_LISTED = 8


@dataclass(frozen=True)
class HubFiles:
    """Files that lie at a name on the hub."""

    name: HubName

    def __str__(self) -> str:
        return str(self.name)

    def pinned(self) -> str:
        """The name with the commit that its revision is now; without a network the one it was when last looked at.

        Raises:
            StorageError: the repository or revision is not there, not allowed, or cannot be reached.
        """
        return str(self.name.pinned(self._commit()))

    def files(self) -> dict[str, int]:
        """Bytes of all files below the name; a name that is itself a file has one, called by the empty text.

        Raises:
            NotFound: nothing is called so.
            StorageError: as `pinned`.
        """
        listed = self._explained(lambda: self._listed(self._commit()))
        path = self.name.path
        if path in listed:
            return {"": listed[path]}
        below = f"{path}/" if path else ""
        found = {name.removeprefix(below): size for name, size in listed.items() if name.startswith(below)}
        if not found:
            tops = sorted({name.partition("/")[0] for name in listed})
            raise NotFound(f"{self}: no such folder or file in the repository, which has {_some(tops)}; check the path")
        return found

    def fetch(self, names: Collection[str]) -> Path:
        """Have these of the `files` on this machine; the folder that they lie in, or the one file.

        Raises:
            StorageError: they cannot be had; none of them is there half.
        """
        from huggingface_hub import snapshot_download

        wanted = ["/".join(part for part in (self.name.path, name) if part) for name in names]
        commit = self._commit()
        folder = Path(
            self._explained(
                lambda: snapshot_download(
                    self.name.repository, revision=commit, allow_patterns=[glob.escape(name) for name in wanted]
                )
            )
        )
        if missing := [name for name in wanted if not (folder / name).is_file()]:
            raise NotFound(f"{self}: {_some(missing)} cannot be had; {_elsewhere()}")
        return folder / self.name.path

    def is_here(self, names: Collection[str]) -> bool:
        """True if these files are in the client's cache."""
        from huggingface_hub import constants, try_to_load_from_cache

        commit, folder = self._commit(), constants.HF_HUB_CACHE
        wanted = ["/".join(part for part in (self.name.path, name) if part) for name in names]
        found = (try_to_load_from_cache(self.name.repository, name, folder, revision=commit) for name in wanted)
        return all(isinstance(each, str) for each in found)

    def _commit(self) -> str:
        if self.name.commit is not None:
            return self.name.commit
        from huggingface_hub import HfApi

        found = self._explained(lambda: HfApi().resolve_revision(self.name.repository, revision=self.name.revision))
        return found.resolved

    def _listed(self, commit: str) -> dict[str, int]:
        """Bytes of all the repository's files at a commit, from the cache if it has been listed before."""
        from huggingface_hub import HfApi, constants, get_cached_repo_tree
        from huggingface_hub.errors import CachedRepoTreeNotFoundError
        from huggingface_hub.hf_api import RepoFile

        try:
            return {file.path: file.size for file in get_cached_repo_tree(self.name.repository, revision=commit)}
        except CachedRepoTreeNotFoundError:
            if not constants.HF_HUB_OFFLINE:
                tree = HfApi().list_repo_tree(self.name.repository, revision=commit, recursive=True)
                return {file.path: file.size for file in tree if isinstance(file, RepoFile)}
        # A cache that another version has filled: what is there, which may not be all.
        folder = Path(constants.HF_HUB_CACHE, f"models--{self.name.repository.replace('/', '--')}", "snapshots", commit)
        files = [path for path in folder.rglob("*") if path.is_file()]
        if not files:
            raise NotFound(f"{self}: not in this machine's cache, {constants.HF_HUB_CACHE}; {_elsewhere()}")
        return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}

    def _explained(self, operation: Callable[[], Result]) -> Result:
        """Do something with the client; its errors become `StorageError`s that say what to do."""
        try:
            return operation()
        except (StorageError, *BUGS):
            raise
        except Exception as error:  # noqa: BLE001 (the client passes on errors of what it builds on)
            # Cut off, as their texts repeat addresses.
            raise self._error(error) from None

    def _error(self, error: Exception) -> StorageError:
        from huggingface_hub import constants
        from huggingface_hub.errors import (
            EntryNotFoundError,
            GatedRepoError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
            RevisionResolutionError,
        )

        place = f"{constants.ENDPOINT}/{self.name.repository}"
        match error:
            case GatedRepoError():
                return Forbidden(
                    f"{self}: the repository is gated; accept its licence at {place} and set HF_TOKEN to a token of "
                    "that account"
                )
            case RepositoryNotFoundError():
                return NotFound(
                    f"{self}: {constants.ENDPOINT} has no such repository, or a private one; check the name, or set "
                    "HF_TOKEN to a token that may read it"
                )
            case RevisionNotFoundError():
                return NotFound(f"{self}: the repository has no such revision; {place} lists its branches and tags")
            case LocalEntryNotFoundError() | RevisionResolutionError() if constants.HF_HUB_OFFLINE:
                return NotFound(
                    f"{self}: not, or not all, in this machine's cache, {constants.HF_HUB_CACHE}; {_elsewhere()}"
                )
            case EntryNotFoundError() if not isinstance(error, LocalEntryNotFoundError):
                return NotFound(f"{self}: a file is gone from the repository; look at {place}")
            case HfHubHTTPError() if error.response.status_code in (401, 403):
                return Forbidden(f"{self}: HTTP {error.response.status_code}; set HF_TOKEN to a token that may read it")
            case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return StorageFull(
                    f"{self}: no space left for it in {constants.HF_HUB_CACHE}; free some, or name another disk with "
                    "HF_HOME"
                )
            case OSError() if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                return Forbidden(
                    f"{self}: {constants.HF_HUB_CACHE} cannot be written; name another folder with HF_HOME"
                )
            case ValueError():
                return InvalidLocation(f"{self}: no name of a repository; write hf://OWNER/NAME")
        status = f" (HTTP {error.response.status_code})" if isinstance(error, HfHubHTTPError) else ""
        return TransientStorageError(
            f"{self}: {constants.ENDPOINT} cannot be reached or does not answer as it should{status}: "
            f"{type(error).__name__}; check the network, its proxies (HTTPS_PROXY), and HF_ENDPOINT; {_elsewhere()}"
        )


def _elsewhere() -> str:
    from huggingface_hub import constants

    offline = "HF_HUB_OFFLINE is set: unset it, or " if constants.HF_HUB_OFFLINE else "without a network "
    return f"{offline}fetch it where there is one with `pasd-batch weights fetch` and bring it here"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
