"""Several runs together: found by their place or the folder that has them, in the order in which they began."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import has_magic

from pasd_batch.config.storage import StorageSettings
from pasd_batch.runs.layout import RUN_FILE
from pasd_batch.runs.run_file import RunFile, read_run
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.storage import NotFound, Storage, redact_uri


@dataclass(frozen=True)
class FoundRun:
    """A run and what it is."""

    folder: RunFolder
    file: RunFile

    @property
    def uri(self) -> str:
        """Its place."""
        return self.folder.storage.uri()


def find_runs(places: Sequence[str], settings: StorageSettings, *, each_has_one: bool = False) -> list[FoundRun]:
    """The runs at these places, the one that began first first; none where nothing is.

    A place is a run's `output.root`, a folder or prefix whose direct subfolders are runs, or a glob of such subfolders,
    as `runs/2026-*`. With `each_has_one` a place without a run, which may be misspelt, is an error.

    Raises:
        AnotherRun: one was made by a version that writes another format.
        NotFound: a place has none.
        StorageError: a place cannot be looked at, or the `run.json` of one is damaged.
    """
    by_place = {place: list(_runs_at(place, settings)) for place in places}
    if each_has_one and (without := [redact_uri(place) for place, runs in by_place.items() if not runs]):
        raise NotFound(
            f"{', '.join(without)}: there is no run; give the output.root of runs, or a folder that has runs in it"
        )
    found = {run.uri: run for runs in by_place.values() for run in runs}
    return sorted(found.values(), key=lambda run: (run.file.created_at, run.uri))


def _runs_at(place: str, settings: StorageSettings) -> Iterator[FoundRun]:
    storage = Storage.open(place, settings)
    names: Sequence[str] = ("",)
    if not storage.exists(RUN_FILE):
        last = place.rpartition("/")[2]
        is_glob = has_magic(last)
        storage = Storage.open(place.removesuffix(last) or ".", settings) if is_glob else storage
        names = [name for name in storage.folders() if not is_glob or fnmatchcase(name, last)]
    for name in names:
        folder = RunFolder.open(storage.uri(name) if name else storage.uri(), settings)
        file = read_run(folder.storage)
        if file is not None:
            yield FoundRun(folder, file)
