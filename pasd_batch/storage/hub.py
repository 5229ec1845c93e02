"""Weights in model repositories of the Hugging Face Hub, through its own client: its cache, its locks, its switches.

The client takes `HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME` and `HF_HUB_OFFLINE` from the environment as it is imported. It
locks each file while it is fetched and renames it into place, so that processes that want the same one fetch it once.
"""

import glob
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pasd_batch.config.weights import HubName
from pasd_batch.storage.errors import BUGS, NotFound, StorageError
from pasd_batch.storage.hub_errors import elsewhere, hub_error
from pasd_batch.storage.printable import some_of

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
            told = some_of(tops, _LISTED)
            raise NotFound(f"{self}: no such folder or file in the repository, which has {told}; check the path")
        return found

    def fetch(self, names: Collection[str]) -> Path:
        """Have these of the `files` on this machine; the folder that they lie in, or the one file.

        Raises:
            StorageError: they cannot be had; none of them is there half.
        """
        from huggingface_hub import snapshot_download

        commit = self._commit()
        if missing := self._missing(names, commit):
            patterns = [glob.escape(name) for name in missing]
            self._explained(lambda: snapshot_download(self.name.repository, revision=commit, allow_patterns=patterns))
            if missing := self._missing(names, commit):
                raise NotFound(f"{self}: {some_of(missing, _LISTED)} cannot be had; {elsewhere()}")
        return self._snapshot(commit) / self.name.path

    def is_here(self, names: Collection[str]) -> bool:
        """True if these files are in the client's cache; if not, makes sure that they may be fetched.

        Raises:
            Forbidden: the repository is gated: everybody may list its files, and not everybody have them.
        """
        from huggingface_hub import HfApi, constants, hf_hub_url

        commit = self._commit()
        missing = self._missing(names, commit)
        if not missing:
            return True
        url = hf_hub_url(self.name.repository, missing[0], revision=commit, endpoint=constants.ENDPOINT)
        self._explained(lambda: HfApi().get_hf_file_metadata(url=url))
        return False

    def _missing(self, names: Collection[str], commit: str) -> list[str]:
        """Paths in the repository of those of the `files` that are not in the cache; there they are whole."""
        wanted = ("/".join(part for part in (self.name.path, name) if part) for name in names)
        return [name for name in wanted if not (self._snapshot(commit) / name).is_file()]

    def _snapshot(self, commit: str) -> Path:
        """Folder of the client's cache in which files of a commit are called as in the repository."""
        from huggingface_hub import constants

        return Path(constants.HF_HUB_CACHE, f"models--{self.name.repository.replace('/', '--')}", "snapshots", commit)

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
        folder = self._snapshot(commit)
        files = [path for path in folder.rglob("*") if path.is_file()]
        if not files:
            raise NotFound(f"{self}: not in this machine's cache, {constants.HF_HUB_CACHE}; {elsewhere()}")
        return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}

    def _explained(self, operation: Callable[[], Result]) -> Result:
        """Do something with the client; its errors become `StorageError`s that say what to do."""
        try:
            return operation()
        except (StorageError, *BUGS):
            raise
        except Exception as error:  # noqa: BLE001 (the client passes on errors of what it builds on)
            # Cut off, as their texts repeat addresses.
            raise hub_error(self.name, error) from None
