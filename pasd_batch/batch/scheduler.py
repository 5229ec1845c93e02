"""The adapter to Ray: shard numbers go to an elastic pool of `ShardWorker` actors, outcomes come back.

Only shard numbers and outcomes pass through Ray's object store, never pixels. Ray Data restarts actors that die and
gives their shard to another one, without end; the attempt ledger is what bounds a shard that kills its process.
"""

import contextlib
import logging
import math
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pasd_batch.batch.model_stage import ProcessPoisoned
from pasd_batch.batch.spec import WorkerSpec
from pasd_batch.batch.worker import ShardOutcome, ShardProgress, ShardState, ShardWorker
from pasd_batch.config.run import WorkerSettings
from pasd_batch.errors import TroubleAroundPhotos

_logger = logging.getLogger(__name__)

SHARDS_AT_ONCE = 10_000
"""Shards handed to Ray at a time; it keeps about a millisecond and a few kilobytes of the driver's for each."""

_POISONED_EXIT_CODE = 70


class ClusterFailed(TroubleAroundPhotos):
    """Ray itself failed: its head is gone, or a worker cannot even be started."""


@dataclass(frozen=True)
class WorkerResources:
    """Resources that Ray reserves for each worker."""

    cpus: float
    gpus: float

    @classmethod
    def of(cls, settings: WorkerSettings) -> "WorkerResources":
        """The settings' resources; unless they say, a GPU each where the cluster has any. Ray must be running."""
        import ray

        gpus = settings.gpus
        if gpus is None:
            gpus = 1.0 if ray.cluster_resources().get("GPU", 0) > 0 else 0.0
        return cls(cpus=settings.cpus, gpus=gpus)

    def fitting_now(self) -> int:
        """Number of workers that the cluster, as it is, has room for."""
        import ray

        total = ray.cluster_resources()
        wanted = {"CPU": self.cpus, "GPU": self.gpus}
        return min(math.floor(total.get(name, 0.0) / each + 1e-6) for name, each in wanted.items() if each > 0)


@contextlib.contextmanager
def ray_session(address: str | None) -> Iterator[None]:
    """Ray running: the one this process is connected to, a cluster (`address` or `RAY_ADDRESS`), or a local one.

    Ends what it began, nothing else.

    Raises:
        ClusterFailed: there is no cluster at the address, it is none of Ray's, or Ray cannot join or begin one.
    """
    import ray
    import ray.data

    begun = not ray.is_initialized()
    if begun:
        address = address or os.environ.get("RAY_ADDRESS")
        options: dict[str, Any] = {"address": address} if address else {"include_dashboard": False}
        try:
            ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ClusterFailed(_why_not_begun(address, error)) from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    try:
        yield
    finally:
        if begun:
            ray.shutdown()


def _why_not_begun(address: str | None, error: Exception) -> str:
    if address is None:
        return f"no Ray could be started on this machine: {error}; mend that, or name a cluster with --ray-address"
    if address.startswith(("http://", "https://")):
        return (
            f"no Ray cluster at {address}: that is the address of Ray's job API, which takes `ray job submit`; "
            "unset RAY_ADDRESS, or give --ray-address or RAY_ADDRESS as ray://HOST:10001 or HOST:6379"
        )
    return f"no Ray cluster at {address}: {error}; check --ray-address or RAY_ADDRESS"


class ProgressBoard:
    """Board on which workers write their progress and the driver reads it; lives in an actor of its own.

    What stands here is for show: it may be lost or late, and nothing is decided by it but what to call interrupted.
    """

    def __init__(self) -> None:
        self._running: dict[int, ShardProgress] = {}

    def write(self, progress: ShardProgress) -> None:
        """Note how far an attempt at a shard has come; a newer attempt replaces an older one."""
        known = self._running.get(progress.shard)
        if known is None or progress.attempt >= known.attempt:
            self._running[progress.shard] = progress

    def clear(self, shard: int) -> None:
        """Forget a shard that is done or given back."""
        self._running.pop(shard, None)

    def read(self) -> list[ShardProgress]:
        """All shards that are being worked on."""
        return list(self._running.values())


def start_board() -> Any:
    """A handle on a new `ProgressBoard` actor."""
    import ray

    return ray.remote(ProgressBoard).options(num_cpus=0, max_restarts=-1).remote()


def read_board(board: Any) -> list[ShardProgress]:
    """Progress of all running shards; empty if the board's actor times out."""
    import ray
    from ray.exceptions import RayError

    try:
        return ray.get(board.read.remote(), timeout=5.0)
    except RayError as error:
        _logger.debug("the progress board does not answer: %s", error)
        return []


def run_shards(spec: WorkerSpec, shards: Sequence[int], board: Any) -> Generator[ShardOutcome, None, None]:
    """Hand shards to workers and give their outcomes as they come; every shard has one. Ray must be running.

    The pool keeps between `workers.min` and `workers.max` actors and grows and shrinks with the cluster.

    Raises:
        ClusterFailed: shards are left, and Ray does not go on.
    """
    import ray.data
    from ray.exceptions import RayError

    settings = spec.settings.workers
    resources = WorkerResources.of(settings)
    if settings.gpus is None and not resources.gpus:
        _logger.warning(
            "no GPU in the cluster: workers run on CPUs; to wait for GPUs that it will start set workers.gpus"
        )
    for start in range(0, len(shards), SHARDS_AT_ONCE):
        part = shards[start : start + SHARDS_AT_ONCE]
        numbers = ray.data.from_items([{"shard": shard} for shard in part], override_num_blocks=len(part))
        outcomes = numbers.map_batches(
            _ShardActor,
            fn_constructor_args=(spec, board),
            batch_size=1,
            compute=_pool(settings, len(part), resources.fitting_now()),
            num_cpus=resources.cpus,
            num_gpus=resources.gpus,
        )
        try:
            for row in outcomes.iter_rows():
                yield ShardOutcome(**{**row, "state": ShardState(row["state"])})
        except RayError as error:
            raise ClusterFailed(f"Ray gave up: {error}") from error


def run_on_worker(function: Callable[..., Any], *arguments: Any, settings: WorkerSettings, seconds: float) -> Any:
    """Run a function where workers will run, with their resources, and return what it returns.

    Raises:
        TimeoutError: no place for a worker came free in so many seconds.
    """
    import ray
    from ray.exceptions import GetTimeoutError

    resources = WorkerResources.of(settings)
    # One call a process, so that what it has loaded does not stay in memory beside the workers' own.
    remote = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_calls=1, max_retries=3)(function)
    reference = remote.remote(*arguments)
    try:
        return ray.get(reference, timeout=seconds)
    except GetTimeoutError:
        ray.cancel(reference, force=True)
        raise TimeoutError from None


class _ShardActor:
    """Adapter that Ray Data builds in every actor and calls with one shard number at a time."""

    def __init__(self, spec: WorkerSpec, board: Any) -> None:
        self._board = board
        self._worker = ShardWorker(spec, board.write.remote)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[Any]]:
        (shard,) = batch["shard"].tolist()
        try:
            outcome = self._worker.run(shard)
        except ProcessPoisoned:
            _logger.exception("this worker ends itself")
            # Not an exception: Ray would end the whole job for one, but starts an actor that died again.
            os._exit(_POISONED_EXIT_CODE)
        self._board.clear.remote(shard)
        return {name: [value] for name, value in asdict(outcome).items()}


def _pool(settings: WorkerSettings, shards: int, fitting: int) -> Any:
    from ray.data import ActorPoolStrategy

    largest = min(shards, settings.max) if settings.max is not None else shards
    smallest = min(settings.min, largest)
    return ActorPoolStrategy(min_size=smallest, max_size=largest, initial_size=max(smallest, min(largest, fitting)))
