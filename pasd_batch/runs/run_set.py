"""Several runs together: found by their place or the folder that has them, in the order in which they began."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pasd_batch.config.storage import StorageSettings
from pasd_batch.runs.layout import RUN_FILE
from pasd_batch.runs.run_file import RunFile, read_run
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.storage import Storage

_ALL_BELOW = "/*"


@dataclass(frozen=True)
class FoundRun:
    """A run and what it is."""

    folder: RunFolder
    file: RunFile

    @property
    def uri(self) -> str:
        """Its place."""
        return self.folder.storage.uri()


def find_runs(places: Sequence[str], settings: StorageSettings) -> list[FoundRun]:
    """The runs at these places, the one that began first first; none where nothing is.

    A place is a run's `output.root`, or a folder or prefix whose direct subfolders are runs, with or without `/*`.

    Raises:
        AnotherRun: one was made by a version that writes another format.
        StorageError: a place cannot be looked at, or the `run.json` of one is damaged.
    """
    found = {run.uri: run for place in places for run in _runs_at(place, settings)}
    return sorted(found.values(), key=lambda run: (run.file.created_at, run.uri))


def _runs_at(place: str, settings: StorageSettings) -> Iterator[FoundRun]:
    place = place.removesuffix(_ALL_BELOW)
    storage = Storage.open(place, settings)
    itself = storage.exists(RUN_FILE)
    for name in [""] if itself else storage.folders():
        folder = RunFolder.open(storage.uri(name) if name else storage.uri(), settings)
        file = read_run(folder.storage)
        if file is not None:
            yield FoundRun(folder, file)
