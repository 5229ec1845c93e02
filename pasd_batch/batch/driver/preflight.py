"""Before any work: everything that would fail later is tried, and all problems come in one message."""

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pasd_batch.batch.driver.fetching import fetch_on_worker
from pasd_batch.batch.driver.machine_memory import machine_memory
from pasd_batch.batch.driver.manifest_check import RunManifest, check_run_manifest, lists_photos
from pasd_batch.batch.planning.only_new import NothingNew
from pasd_batch.batch.worker.models import ModelLoaders
from pasd_batch.cluster.session import no_place, run_on_worker
from pasd_batch.config.run import RunSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.manifests.output_paths import LONGEST_PATH
from pasd_batch.manifests.writing import refuse_other_formats
from pasd_batch.records import ScoreColumn
from pasd_batch.runs.layout import IMAGES_FOLDER, result_files
from pasd_batch.runs.run_file import read_run, refuse_strangers
from pasd_batch.storage.probe import honours_create
from pasd_batch.storage.storage import Storage, StorageError
from pasd_batch.weights_by_name import on_this_machine, pinned, with_pins

_logger = logging.getLogger(__name__)

Result = TypeVar("Result")

WORKER_SECONDS = 1800.0
"""Time to wait for a place for a worker: an autoscaling cluster has to start a machine first."""


class PreflightFailed(PasdBatchError):
    """The run cannot start; the message has every problem and its remedy."""

    def __init__(self, problems: Sequence[str]) -> None:
        problems = list(dict.fromkeys(problems))  # driver and workers may find the same
        lines = "\n".join(f"- {problem}" for problem in problems)
        super().__init__(f"the run cannot start, {len(problems)} problem(s):\n{lines}")
        self.problems = problems


@dataclass(frozen=True)
class WorkerReport:
    """Report of a worker that tried everything that it will need."""

    problems: list[str] = field(default_factory=list)
    model_fingerprint: str | None = None
    weights: dict[str, str] = field(default_factory=dict)
    """Names of weights that may come to mean others, each with what it means now."""
    score_columns: tuple[ScoreColumn, ...] = ()
    memory: int | None = None
    """Bytes of main memory of its machine, or of its container; None where that is not known."""


def check_run(settings: RunSettings, storage: Storage, loaders: ModelLoaders) -> tuple[RunManifest, WorkerReport]:
    """Try everything that a run will need; a list of photos is kept only if all is well. Ray must be running.

    Raises:
        PreflightFailed: naming all problems.
        NothingNew: earlier runs have done all photos.
        AnotherRun: the run there was made by a version that writes another format.
    """
    run = read_run(storage)
    found = check_storage_and_workers(settings, storage, loaders)
    problems = found.messages
    if run is None:
        attempt(problems, lambda: refuse_strangers(storage))
    if (described := settings.output.manifest) is not None:
        attempt(problems, lambda: refuse_other_formats(described))
    model = None if found.worker is None else found.worker.model_fingerprint
    checked = None
    if found.can_store or not lists_photos(settings):  # a list is stored while it is looked at
        checked = attempt(
            problems, lambda: check_run_manifest(settings, storage, run, model_fingerprint=model, may_keep=not problems)
        )
    if problems or checked is None or found.worker is None:
        raise PreflightFailed(problems)
    return checked, found.worker


@dataclass(frozen=True)
class Findings:
    """Faults of everything but the manifest, and a worker's report."""

    messages: list[str]
    worker: WorkerReport | None
    can_store: bool = True
    """False if this process cannot write into the run; workers were not asked, and nothing else tries."""


def check_storage_and_workers(settings: RunSettings, storage: Storage, loaders: ModelLoaders) -> Findings:
    """Try storage, models and metrics, in this process and where workers run. Ray must be running."""
    problems: list[str] = []
    attempt(problems, lambda: _check_storage(settings, storage))
    can_store = not problems
    pins = _pins_of_run(storage)
    probe = f".pasd-batch-probe-{uuid.uuid4().hex}" if can_store else None
    worker = attempt(problems, lambda: _check_worker(with_pins(settings, pins), storage, probe, loaders))
    if worker is not None:
        problems.extend(worker.problems)
    return Findings(problems, worker, can_store)


def try_as_worker(settings: RunSettings, storage: Storage, probe: str | None, loaders: ModelLoaders) -> WorkerReport:
    """Check a worker process: its storage, unless there is no probe in it, models and metrics; runs in one."""
    problems: list[str] = []
    if probe is not None:
        attempt(problems, lambda: _see_probe(storage, probe))
    pins = attempt(problems, lambda: pinned(settings))
    if pins is None:
        return WorkerReport(problems)
    here = attempt(problems, lambda: on_this_machine(with_pins(settings, pins)))
    if here is None:
        return WorkerReport(problems)
    attempt(problems, lambda: loaders.restorer(here))
    attempt(problems, lambda: loaders.describers(here))
    fingerprint = attempt(problems, lambda: loaders.fingerprint(here))
    scorer = attempt(problems, lambda: loaders.scorer(here))
    columns = () if scorer is None else tuple(scorer.columns)
    return WorkerReport(problems, fingerprint, pins, columns, machine_memory())


def _pins_of_run(storage: Storage) -> dict[str, str]:
    """Pins of the names of weights from when the run began, if one has."""
    try:
        run = read_run(storage)
    except PasdBatchError:
        return {}  # whoever reads it next says so
    return {} if run is None else run.weights


def _check_storage(settings: RunSettings, storage: Storage) -> None:
    needed = max(map(len, result_files("", settings.stored_passes))) + LONGEST_PATH
    if storage.longest_path < needed:
        raise StorageError(
            f"{storage.uri()}: {needed - storage.longest_path:,} bytes too long for an output.root, as paths of "
            f"restored photos below it may take {needed:,}; choose a shorter one"
        )
    storage.remove_partial()
    if storage.is_link(IMAGES_FOLDER):
        _check_linked_images(storage)
    if not honours_create(storage):
        _logger.warning(
            "%s ignores conditional writes: run one driver at a time on this run, because two could overwrite each "
            "other's results",
            storage.uri(),
        )


def _check_linked_images(storage: Storage) -> None:
    probe = f"{IMAGES_FOLDER}/.pasd-batch-probe-{uuid.uuid4().hex}"
    try:
        storage.create(probe, b"")
        storage.delete(probe)
    except StorageError as error:
        raise StorageError(
            f"{storage.uri(IMAGES_FOLDER)} is a link, and nothing can be stored where it leads: {error}"
        ) from error


def _check_worker(settings: RunSettings, storage: Storage, probe: str | None, loaders: ModelLoaders) -> WorkerReport:
    if probe is not None:
        storage.create(probe, b"")
    try:
        fetch_on_worker(settings, place_seconds=WORKER_SECONDS)
        return run_on_worker(
            try_as_worker, settings, storage, probe, loaders, settings=settings.workers, seconds=WORKER_SECONDS
        )
    except TimeoutError:
        return WorkerReport([no_place(settings.workers)])
    finally:
        if probe is not None:
            storage.delete(probe)


def _see_probe(storage: Storage, probe: str) -> None:
    if not storage.exists(probe):
        raise StorageError(
            f"workers do not see the driver's {storage.uri()}; give output.root a place that all machines share, "
            "such as s3://BUCKET/RUN"
        )
    storage.create(f"{probe}-worker", b"")
    storage.delete(f"{probe}-worker")


def attempt(problems: list[str], check: Callable[[], Result]) -> Result | None:
    """The result of a check; None if it fails, which becomes one of the problems."""
    try:
        return check()
    except NothingNew:
        if problems:
            return None  # nothing was found new, for all that can be known while something is wrong
        raise
    except PasdBatchError as error:
        problems.append(str(error))
    except Exception as error:
        _logger.debug("a check failed", exc_info=error)
        problems.append(f"{type(error).__name__}: {error}")
    return None
