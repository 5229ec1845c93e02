"""`status RUN`: how far a run is and what has failed, from storage alone; needs neither Ray nor the driver."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc

from pasd_batch.config.storage import StorageSettings
from pasd_batch.records import Status
from pasd_batch.runs.cost import Prices, RunCost, run_cost
from pasd_batch.runs.layout import ATTEMPTS_FOLDER, SUMMARY_FILE, shard_of_attempt
from pasd_batch.runs.pace import RunPace, run_pace
from pasd_batch.runs.run_file import RunFile, read_run
from pasd_batch.runs.run_folder import RunFolder, no_run
from pasd_batch.runs.summary import RunCounts, add_up, count_results
from pasd_batch.storage.storage import redact_uri

_FAILED_COLUMNS = ["photo_id", "uri", "error_stage", "error_type", "error_message"]


@dataclass(frozen=True)
class FailedPhoto:
    """A failed row, in short."""

    photo_id: str
    uri: str
    stage: str
    error_type: str
    message: str


@dataclass(frozen=True)
class RunStatus:
    """Progress of a run."""

    uri: str
    run: RunFile
    counts: RunCounts
    begun_shards: int
    """Shards that were begun and are not committed: in work, or interrupted."""
    complete: bool
    """True if the summary is written, which is the last thing a run does."""
    examples: tuple[FailedPhoto, ...]
    pace: RunPace
    cost: RunCost | None = None
    """Cost of what is committed, where a price is known."""

    def values(self) -> dict[str, Any]:
        """The status for programs, as plain values."""
        return {
            "uri": self.uri,
            "complete": self.complete,
            "begun_at": self.run.created_at,
            "software": self.run.provenance.software,
            "config_fingerprint": self.run.config_fingerprint,
            "planned_photos": self.run.photos,
            "planned_shards": self.run.shards,
            "begun_shards": self.begun_shards,
            **asdict(self.counts),
            "error_rate": self.counts.error_rate,
            "last_activity": self.pace.last_activity.isoformat() if self.pace.last_activity else None,
            "photos_per_hour": self.pace.photos_per_hour,
            "seconds_left": self.pace.seconds_left,
            "cost": None if self.cost is None else asdict(self.cost),
            "examples": [asdict(photo) for photo in self.examples],
        }

    def lines(self) -> list[str]:
        """The status for people."""
        counts, run = self.counts, self.run
        share = counts.photos / run.photos if run.photos else 1.0
        state = "complete" if self.complete else "not complete; the command that began it resumes it"
        lines = [
            f"run: {self.uri} ({state})",
            f"begun: {run.created_at}, {run.provenance.software}, config {run.config_fingerprint}",
            f"photos: {counts.photos:,} of {run.photos:,} ({share:.1%}), {counts.outcomes()}",
            f"shards: {counts.shards:,} of {run.shards:,} committed, {self.begun_shards:,} in work or interrupted",
            *self.pace.lines(datetime.now(UTC)),
        ]
        if self.cost is not None:
            lines.append(self.cost.line())
        lines += [f"  {number:,} x {reason}" for reason, number in counts.failures.items()]
        lines += [f"  e.g. {photo.photo_id} ({photo.uri}): {photo.message}" for photo in self.examples]
        return lines


def read_status(uri: str, storage_settings: StorageSettings, *, examples: int = 5, prices: Prices = None) -> RunStatus:
    """The status of the run at `uri`, with up to so many failed photos as examples.

    Its cost is by `prices`; None: those that the run began with.

    Raises:
        NotFound: there is no run.
        StorageError: the run cannot be read, or is damaged.
    """
    folder = RunFolder.open(uri, storage_settings)
    storage = folder.storage
    run = read_run(storage)
    if run is None:
        raise no_run(storage)
    committed = folder.committed()
    shards = list(count_results(folder, committed))
    begun = {shard_of_attempt(path) for path in storage.list(ATTEMPTS_FOLDER)} - {None}
    counts = add_up(shards)
    failed = _failed_photos(folder, [each.shard for each in shards if each.failed])
    return RunStatus(
        uri=redact_uri(storage.uri()),
        run=run,
        counts=counts,
        begun_shards=len(begun - set(committed)),
        complete=storage.exists(SUMMARY_FILE),
        examples=tuple(photo for photo, _ in zip(failed, range(examples), strict=False)),
        pace=run_pace(shards, planned=run.photos),
        cost=run_cost(counts, run.prices if prices is None else prices, planned=run.photos),
    )


def _failed_photos(folder: RunFolder, shards: list[int]) -> Iterator[FailedPhoto]:
    for shard in shards:
        for row in folder.shard_rows(shard, _FAILED_COLUMNS, pc.field("status") == Status.FAILED).to_pylist():
            yield FailedPhoto(*(row[name] for name in _FAILED_COLUMNS))
