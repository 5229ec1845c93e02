"""All shards of a run handed to workers, over and over until each is committed or nothing gets better."""

import contextvars
import logging
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from pasd_batch.batch.driver.interrupts import Interrupted
from pasd_batch.batch.driver.progress import RunProgress
from pasd_batch.batch.driver.shard_pool import run_shards
from pasd_batch.batch.worker.shard_worker import ShardOutcome, ShardProgress, ShardState
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.cluster.board import read_board, start_board
from pasd_batch.cluster.metrics import RunMetrics
from pasd_batch.runs.cost import RunningCost
from pasd_batch.runs.damage import RunDamaged
from pasd_batch.runs.ledger import AttemptLedger
from pasd_batch.runs.run_file import RunFile
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.runs.summary import add_up, count_results, expected_photos
from pasd_batch.storage.storage import StorageError, redact_uri

_logger = logging.getLogger(__name__)

BOARD_SECONDS = 1.0
"""Interval at which the driver asks for the progress of the shards in work."""

GIVEN_BACK_IN_A_ROW = 8
"""After so many shards given back one after the other, and while nobody is at work on one, the driver stops: storage
or models are not to be had. One machine's broken worker does not stop the others."""


def work_off(run: RunFile, spec: WorkerSpec, folder: RunFolder, *, resumed: bool, show_progress: bool) -> str | None:
    """Work until every shard is committed, or nothing gets better; what the trouble is, if any.

    Raises:
        RunDamaged: shards are left that cannot be done before the run's own files are mended.
        StorageError: results cannot be listed.
    """
    done = {shard for shard in folder.committed() if shard < run.shards}
    photos_done = sum(expected_photos(run, shard) for shard in done)
    prices = spec.settings.workers.price_per_hour
    # Rows are read only if their cost is wanted: a run may have hundreds of thousands of shards.
    costs = None if prices is None else RunningCost.after(add_up(count_results(folder, sorted(done))), prices)
    board = start_board()
    metrics = RunMetrics(redact_uri(folder.storage.uri()))
    with (
        RunProgress(run.photos, metrics, done=photos_done, show=show_progress, costs=costs) as progress,
        _watching(board, progress),
    ):
        while len(done) < run.shards:
            pending = [shard for shard in range(run.shards) if shard not in done]
            if resumed:
                # Another driver may be at work on this run: beginning elsewhere, the two seldom do a shard twice.
                start = random.randrange(len(pending))
                pending = pending[start:] + pending[:start]
            trouble = _one_pass(run, spec, pending, board, progress)
            before, done = len(done), {shard for shard in folder.committed() if shard < run.shards}
            full = trouble is not None and trouble.state is ShardState.STORAGE_FULL
            if trouble is not None and len(done) < run.shards and (full or len(done) == before):
                message = f"{run.shards - len(done):,} of {run.shards:,} shards are left: {trouble.message}"
                if trouble.state is ShardState.DAMAGED:
                    raise RunDamaged(message)
                return message
    return None


def _one_pass(
    run: RunFile, spec: WorkerSpec, pending: Sequence[int], board: Any, progress: RunProgress
) -> ShardOutcome | None:
    """Hand out all pending shards once; the last outcome of those that were given back, damaged ones first.

    A disk that is full ends it: every further shard would be restored in vain.
    """
    trouble, in_a_row = None, 0
    try:
        with closing(run_shards(spec, pending, board)) as outcomes:
            for outcome in outcomes:
                if outcome.state in (ShardState.COMMITTED, ShardState.COMMITTED_BEFORE):
                    photos = expected_photos(run, outcome.shard)
                    spent = outcome.seconds if outcome.state is ShardState.COMMITTED else 0.0
                    progress.commit(outcome.shard, photos, outcome.failed, seconds=spent, node_type=outcome.node_type)
                    in_a_row = 0
                    continue
                _logger.warning("shard %d was given back: %s", outcome.shard, outcome.message)
                if outcome.state is ShardState.STORAGE_FULL:
                    trouble = outcome
                    break
                if outcome.state is ShardState.DAMAGED:
                    trouble = outcome
                    continue
                trouble = trouble if trouble is not None and trouble.state is ShardState.DAMAGED else outcome
                in_a_row += 1
                if in_a_row >= GIVEN_BACK_IN_A_ROW and not read_board(board):
                    break
    except Interrupted:
        _withdraw_attempts(spec, read_board(board))
        raise
    if trouble is not None and trouble.state is ShardState.STORAGE_FULL:
        _withdraw_attempts(spec, read_board(board))
    return trouble


def _withdraw_attempts(spec: WorkerSpec, running: Sequence[ShardProgress]) -> None:
    """Take back the attempts that this driver has ended, so that they do not count as crashes."""
    for progress in running:
        try:
            AttemptLedger.of_shard(spec.folder().storage, progress.shard).withdraw(progress.attempt)
        except StorageError as error:
            _logger.warning("an interrupted attempt will count as a crash: %s", error)


@contextmanager
def _watching(board: Any, progress: RunProgress) -> Iterator[None]:
    """Show what stands on the board, from a thread of its own, as long as the context lasts."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(BOARD_SECONDS):
            progress.watch(read_board(board))

    # What log lines are about goes along into the thread.
    run = contextvars.copy_context().run
    thread = threading.Thread(target=run, args=(watch,), daemon=True, name="progress")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
