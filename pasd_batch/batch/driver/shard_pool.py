"""Shards handed to an elastic pool of `ShardWorker` actors; their outcomes come back.

The attempt ledger is what bounds a shard that kills its process.
"""

import logging
import os
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

import numpy as np

from pasd_batch.batch.worker.log_lines import LogFormat, log_as
from pasd_batch.batch.worker.model_stage import ProcessPoisoned
from pasd_batch.batch.worker.node_end import on_notice
from pasd_batch.batch.worker.shard_worker import ShardOutcome, ShardProgress, ShardState, ShardWorker
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.cluster.pool import run_in_pool

_logger = logging.getLogger(__name__)

_POISONED_EXIT_CODE = 70


def run_shards(spec: WorkerSpec, shards: Sequence[int], board: Any) -> Generator[ShardOutcome, None, None]:
    """Hand shards to workers and give their outcomes as they come; every shard has one. Ray must be running.

    Raises:
        ClusterFailed: shards are left, and Ray does not go on.
    """
    with closing(run_in_pool(_ShardActor, (spec, board), shards, spec.settings.workers)) as rows:
        for row in rows:
            yield ShardOutcome(**{**row, "state": ShardState(row["state"])})


class _ShardActor:
    """Adapter that Ray Data builds in every actor and calls with one shard number at a time."""

    def __init__(self, spec: WorkerSpec, board: Any) -> None:
        if spec.logs_json:
            log_as(LogFormat.JSON)
        self._board = board
        self._worker = ShardWorker(spec, self._show)
        on_notice(self._worker.take_back_attempt)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        (shard,) = batch["number"].tolist()
        try:
            outcome = self._worker.run(shard)
        except ProcessPoisoned:
            _logger.exception("this worker ends itself")
            # Not an exception: Ray would end the whole job for one, but starts an actor that died again.
            os._exit(_POISONED_EXIT_CODE)
        self._board.clear.remote(shard)
        return {name: [value] for name, value in asdict(outcome).items()}

    def _show(self, progress: ShardProgress) -> None:
        self._board.write.remote(progress.shard, progress, attempt=progress.attempt)
