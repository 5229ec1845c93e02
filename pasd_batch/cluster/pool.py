"""Elastic pool of actors: numbers go in, one row for each comes back.

Only numbers and rows pass through Ray's object store, never pixels. Ray Data restarts actors that die and gives their
number to another one, without end: the caller bounds how often that may happen.
"""

import logging
from collections.abc import Callable, Generator, Sequence
from typing import Any

from pasd_batch.cluster.session import ClusterFailed, WorkerResources
from pasd_batch.config.workers import WorkerSettings

_logger = logging.getLogger(__name__)

NUMBERS_AT_ONCE = 10_000
"""Numbers handed to Ray at a time; it keeps about a millisecond and a few kilobytes of the driver's for each."""


def run_in_pool(
    actor: Callable[..., Any], arguments: tuple[Any, ...], numbers: Sequence[int], settings: WorkerSettings
) -> Generator[dict[str, Any], None, None]:
    """Hand numbers to actors and give their rows as they come; every number has one. Ray must be running.

    The pool keeps between `settings.min` and `settings.max` actors and grows and shrinks with the cluster.

    Args:
        actor: a class; its objects, made with `arguments`, are called with `{"number": array of one number}` and
            return columns of one row.
        arguments: for each actor.
        numbers: what is to be done.
        settings: the pool's size, and each actor's resources.

    Raises:
        ClusterFailed: numbers are left, and Ray does not go on.
    """
    import ray.data
    from ray.exceptions import RayError

    resources = WorkerResources.of(settings)
    if settings.gpus is None and not resources.gpus:
        _logger.warning(
            "no GPU in the cluster: workers run on CPUs; to wait for GPUs that it will start set workers.gpus"
        )
    for start in range(0, len(numbers), NUMBERS_AT_ONCE):
        part = numbers[start : start + NUMBERS_AT_ONCE]
        items = ray.data.from_items([{"number": number} for number in part], override_num_blocks=len(part))
        rows = items.map_batches(
            actor,
            fn_constructor_args=arguments,
            batch_size=1,
            compute=_strategy(settings, len(part), resources.fitting_now()),
            num_cpus=resources.cpus,
            num_gpus=resources.gpus,
        )
        try:
            yield from rows.iter_rows()
        except RayError as error:
            raise ClusterFailed(f"Ray gave up: {error}") from error


def _strategy(settings: WorkerSettings, count: int, fitting: int) -> Any:
    from ray.data import ActorPoolStrategy

    largest = min(count, settings.max) if settings.max is not None else count
    smallest = min(settings.min, largest)
    return ActorPoolStrategy(min_size=smallest, max_size=largest, initial_size=max(smallest, min(largest, fitting)))
