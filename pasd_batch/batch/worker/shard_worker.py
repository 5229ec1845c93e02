"""One worker process: shard numbers in, committed rows out. Knows no Ray; `shard_pool.py` hands it to an actor."""

import gc
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from pasd_batch.batch.worker.isolation import IsolatedShard
from pasd_batch.batch.worker.kept_rows import kept_rows, merged
from pasd_batch.batch.worker.log_lines import log_context
from pasd_batch.batch.worker.model_stage import ProcessPoisoned
from pasd_batch.batch.worker.photo_state import read_records
from pasd_batch.batch.worker.pipeline import MIB, PhotoPipeline, load_pipeline
from pasd_batch.batch.worker.process_name import process_name
from pasd_batch.batch.worker.rows import Row, with_worker_seconds, without_images_beyond
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.cluster.metrics import RunMetrics
from pasd_batch.cluster.session import node_type
from pasd_batch.errors import TroubleAroundPhotos
from pasd_batch.records import PhotoRecord, Status, WorkOrigin
from pasd_batch.runs.damage import RunDamaged
from pasd_batch.runs.layout import kept_rows_path
from pasd_batch.runs.ledger import Attempt, AttemptLedger
from pasd_batch.storage.storage import StorageFull, redact_uri

_logger = logging.getLogger(__name__)

_MOST_LOADS_IN_HASTE = 8
_REST_SECONDS = 30.0
"""A worker that loaded no models so often in a row rests before each further attempt: else it would take, and give
back, all the shards that others could do."""


class ShardState(StrEnum):
    """State in which a worker left a shard."""

    COMMITTED = "committed"
    COMMITTED_BEFORE = "committed before"
    GIVEN_BACK = "given back"
    DAMAGED = "damaged"
    """Given back because the run's own files are damaged: nobody can do it before they are mended."""
    STORAGE_FULL = "storage full"
    """Given back because the run's disk or quota is full: nobody can do any shard before there is space."""


@dataclass(frozen=True)
class ShardOutcome:
    """Outcome of a worker's shard; `message` says why it was given back."""

    shard: int
    state: ShardState
    photos: int = 0
    failed: int = 0
    seconds: float = 0.0
    message: str | None = None
    node_type: str | None = None
    """Type of the worker's node, as its rows have it."""


@dataclass(frozen=True)
class ShardProgress:
    """Progress of an attempt at a shard."""

    shard: int
    attempt: int
    photos: int
    failed: int


ProgressListener = Callable[[ShardProgress], None]


class ShardWorker:
    """Holds a process's models, loaded when the first shard needs them, and works off one shard at a time."""

    def __init__(self, spec: WorkerSpec, listener: ProgressListener = lambda _: None) -> None:
        self._spec = spec
        self._listener = listener
        self._folder = spec.folder()
        self._run = redact_uri(spec.settings.output.root)
        self._metrics = RunMetrics(self._run)
        self._node_type = node_type()
        self._pipeline: PhotoPipeline | None = None
        self._vain_loads = 0
        self._in_work: tuple[AttemptLedger, int] | None = None

    def run(self, shard: int) -> ShardOutcome:
        """Restore, score and commit a shard, unless somebody has committed it before.

        Where that cannot be done, such as while the run's storage is in trouble, the outcome says why.

        Raises:
            ProcessPoisoned: this process can restore nothing any more; it has to end.
        """
        began = time.monotonic()
        with log_context(run=self._run, shard=shard):
            outcome = self._outcome(shard)
        outcome = replace(outcome, seconds=time.monotonic() - began, node_type=self._node_type)
        self._metrics.shard(outcome.state, outcome.seconds)
        return outcome

    def take_back_attempt(self) -> None:
        """Take back the attempt in work, as this process is about to be ended through no fault of the shard.

        May be called from another thread. The work goes on, and what it commits until its end counts.
        """
        in_work = self._in_work
        if in_work is not None:
            ledger, number = in_work
            ledger.withdraw(number)
            self._in_work = None

    def _outcome(self, shard: int) -> ShardOutcome:
        try:
            return self._commit_once(shard)
        except ProcessPoisoned:
            raise
        except Exception as error:
            _logger.warning("shard %d is given back", shard, exc_info=error)
            return ShardOutcome(shard, _state_after(error), message=f"{type(error).__name__}: {error}")
        finally:
            self._in_work = None

    def _commit_once(self, shard: int) -> ShardOutcome:
        if self._folder.is_committed(shard):
            return ShardOutcome(shard, ShardState.COMMITTED_BEFORE)
        began = time.monotonic()
        records = read_records(self._folder, shard, self._spec.plan_key)
        kept = kept_rows(self._folder.storage, shard)
        left = [record for record in records if record.photo_id not in kept]
        ledger = AttemptLedger.of_shard(self._folder.storage, shard)
        while True:
            attempt = ledger.begin(process_name())
            self._in_work = ledger, attempt.number
            try:
                done = with_worker_seconds(self._rows(shard, left, ledger, attempt), began)
                rows = without_images_beyond(merged(records, kept, done), self._most_bytes)
                won = self._folder.commit(shard, rows, self._spec.schema)
                if kept:
                    self._folder.storage.delete(kept_rows_path(shard))
            except TroubleAroundPhotos:
                ledger.withdraw(attempt.number)
                raise
            except ProcessPoisoned:
                raise
            except Exception:
                # Counted like a crash: after enough of them the photos are run one by one.
                _logger.exception("attempt %d at shard %d failed", attempt.number, shard)
                if self._isolates(attempt):
                    raise
            else:
                failed = sum(row["status"] == Status.FAILED for row in rows)
                state = ShardState.COMMITTED if won else ShardState.COMMITTED_BEFORE
                return ShardOutcome(shard, state, photos=len(rows), failed=failed)

    def _rows(self, shard: int, records: list[PhotoRecord], ledger: AttemptLedger, attempt: Attempt) -> list[Row]:
        isolated = self._isolates(attempt)
        origin = WorkOrigin(shard, attempt.number, process_name(), isolated, self._node_type)
        done: list[Row] = []

        self._metrics.attempt(attempt.number)

        def listener(row: Row) -> None:
            done.append(row)
            self._metrics.photo(row)
            failed = sum(row["status"] == Status.FAILED for row in done)
            self._listener(ShardProgress(shard, attempt.number, len(done), failed))

        pipeline = None if isolated else self._loaded_pipeline()
        # Only now, so that what listens knows this shard to be with a worker that can work.
        self._listener(ShardProgress(shard, attempt.number, 0, 0))
        if pipeline is not None:
            return pipeline.run(records, origin, listener, self._metrics.queues)
        _logger.warning("shard %d crashed %d times: its photos are run one by one", shard, attempt.earlier)
        self._free_models()
        return IsolatedShard(self._spec, self._folder.storage, shard).run(records, origin, listener)

    @property
    def _most_bytes(self) -> int:
        return self._spec.settings.output.max_shard_mib * MIB

    def _isolates(self, attempt: Attempt) -> bool:
        return attempt.earlier >= self._spec.settings.max_attempts

    def _loaded_pipeline(self) -> PhotoPipeline:
        if self._pipeline is None:
            if self._vain_loads >= _MOST_LOADS_IN_HASTE:
                time.sleep(_REST_SECONDS)
            self._vain_loads += 1
            self._pipeline = load_pipeline(self._spec)
            self._vain_loads = 0
        return self._pipeline

    def _free_models(self) -> None:
        # The child process that runs the photos needs the GPU's memory for models of its own.
        self._pipeline = None
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()


def _state_after(error: Exception) -> ShardState:
    match error:
        case RunDamaged():
            return ShardState.DAMAGED
        case StorageFull():
            return ShardState.STORAGE_FULL
        case _:
            return ShardState.GIVEN_BACK
