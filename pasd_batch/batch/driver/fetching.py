"""Weights fetched on a worker's machine before a run begins, with the patience that many GB need."""

import logging

from pasd_batch.cluster.session import run_on_worker
from pasd_batch.config.run import RunSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.weights_by_name import on_this_machine, pinned, used_settings, with_pins

_logger = logging.getLogger(__name__)

FETCH_SECONDS = 12 * 3600.0
"""Time that fetching may take."""


class WeightsTooSlow(PasdBatchError):
    """Weights that are still being fetched after `FETCH_SECONDS`."""


def fetch_on_worker(settings: RunSettings, *, place_seconds: float) -> None:
    """Have weights that are named by addresses where a worker runs; those that cannot be had are no trouble here.

    Args:
        settings: the run's.
        place_seconds: time that a place for a worker may take to come free.

    Raises:
        TimeoutError: none did.
        WeightsTooSlow: the weights did not come in time.
    """
    if not any(isinstance(each.value, str) for each in used_settings(settings)):
        return
    run_on_worker(_come, settings=settings.workers, seconds=place_seconds)
    try:
        run_on_worker(_fetch, settings, settings=settings.workers, seconds=FETCH_SECONDS)
    except TimeoutError:
        hours = f"{FETCH_SECONDS / 3600:g} hours"
        raise WeightsTooSlow(
            f"weights did not come within {hours}; fetch them before with `pasd-batch weights fetch`"
        ) from None


def _come() -> None:
    """Nothing: a worker that returns has found its place."""


def _fetch(settings: RunSettings) -> None:
    """Fetch the weights; what keeps them away is told by whoever needs them next."""
    try:
        on_this_machine(with_pins(settings, pinned(settings)))
    except PasdBatchError as error:
        _logger.info("weights were not fetched: %s", error)
