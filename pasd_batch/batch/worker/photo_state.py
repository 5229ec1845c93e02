"""A photo's way through a worker: where it is, how long each stage took, what is known of it, why it failed."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pasd_batch.batch.worker.log_lines import log_context
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.manifests.survey import SOURCE_ROOT_KEY
from pasd_batch.records import PhotoFailure, PhotoRecord, ResultRow, Stage, records_of
from pasd_batch.runs.damage import parsing
from pasd_batch.runs.layout import plan_path
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.sealing import unsealed

_logger = logging.getLogger(__name__)


def read_records(run: RunFolder, shard: int, plan_key: bytes) -> list[PhotoRecord]:
    """The photos of a planned shard, in the plan's order, with their whole URIs.

    Raises:
        RunDamaged: the plan's file is damaged.
        StorageError: the plan cannot be read.
    """
    table = unsealed(run.plan(shard), plan_key)
    root = (table.schema.metadata or {}).get(SOURCE_ROOT_KEY, b"").decode() or None
    with parsing(run.storage, plan_path(shard)):
        return records_of(table, root)


class StageFailed(Exception):
    """A photo failed in a stage of its way; becomes its row."""

    def __init__(self, failure: PhotoFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass
class PhotoState:
    """State of one photo so far. Stages write it one after the other, each in its own thread."""

    record: PhotoRecord
    row: ResultRow
    """Its result row in progress: stages set what they find out."""

    sampling: SamplingSettings
    """Settings that it is restored with: the run's, or its own."""

    severity: float | None = None
    """Severity by which they were chosen, if they adapt and are settled."""

    refused: PhotoFailure | None = None
    """Failure that its own settings amount to, if they cannot be used."""

    stage: Stage = Stage.FETCH
    _waits: list[tuple[float, float]] = field(default_factory=list)

    @property
    def waited(self) -> float:
        """Seconds spent waiting for its turn, which are not its own doing."""
        now = time.monotonic()
        return sum(min(end, now) - begin for begin, end in self._waits)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Run a block as a wait for its turn."""
        begin = time.monotonic()
        self._waits.append((begin, math.inf))
        try:
            yield
        finally:
            self._waits[-1] = (begin, time.monotonic())

    def took(self, stage: Stage, seconds: float) -> None:
        """Add to the time that a stage took."""
        self.row.seconds[stage] = self.row.seconds.get(stage, 0.0) + seconds

    def warn(self, message: str) -> None:
        """Note, in the row and the log, what is wrong with a photo that goes on all the same."""
        self.row.warnings.append(message)
        with log_context(photo=self.record.photo_id):
            _logger.warning("photo %s: %s", self.record.photo_id, message)

    @contextmanager
    def through(self, stage: Stage, *, beyond: Callable[[Exception], bool] = lambda _: False) -> Iterator[None]:
        """Run a block as `stage`: its time is taken, and what it raises is this photo's failure.

        `beyond` says which errors are not the photo's fault; they pass as they are.

        Raises:
            StageFailed: the block failed.
        """
        self.stage = stage
        began = time.monotonic()
        with log_context(photo=self.record.photo_id, stage=stage.value):
            try:
                yield
            except StageFailed:
                raise
            except Exception as error:
                if beyond(error):
                    raise
                _logger.info("photo %s failed in %s", self.record.photo_id, stage, exc_info=error)
                raise StageFailed(failure_of(stage, error)) from error
            finally:
                self.took(stage, time.monotonic() - began)


def failure_of(stage: Stage, error: BaseException) -> PhotoFailure:
    """The failure that `error` amounts to, with its notes; errors without a text are named by their class."""
    name = type(error).__name__
    return PhotoFailure(stage, name, "; ".join([str(error) or name, *getattr(error, "__notes__", ())]))
