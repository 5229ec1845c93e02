"""`plan`: everything a run needs is tried, and what it would do is counted and timed; nothing is begun."""

import dataclasses
import logging
import time
from datetime import timedelta

from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.interrupts import Interrupted, signals_as_interrupts
from pasd_batch.batch.driver.manifest_check import manifest_of_run
from pasd_batch.batch.driver.on_finish import faults
from pasd_batch.batch.driver.plan_sample import sampled_lines
from pasd_batch.batch.driver.preflight import (
    WORKER_SECONDS,
    Findings,
    PreflightFailed,
    WorkerReport,
    check_storage_and_workers,
)
from pasd_batch.batch.driver.run import RunReport
from pasd_batch.batch.driver.run_paths import with_absolute_paths
from pasd_batch.batch.planning.estimate import PlanSummary, plan_summary
from pasd_batch.batch.planning.only_new import NothingNew
from pasd_batch.batch.worker.models import ModelLoaders
from pasd_batch.cluster.session import ClusterFailed, node_type, ray_session, run_on_worker, workers_now
from pasd_batch.config.restoration import PassSettings
from pasd_batch.config.run import RunMode, RunSettings
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.config.weak_tiles import RetryWeakSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.manifests.allowed_folders import listed_folder
from pasd_batch.records import PhotoFailure
from pasd_batch.runs.cost import cost_of_seconds, unpriced_lines
from pasd_batch.runs.kept_list import refuse_run_among_photos
from pasd_batch.runs.run_file import describe_run, read_run, refuse_another, refuse_strangers
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.storage.probe import empty_folders_removed
from pasd_batch.storage.storage import Storage
from pasd_batch.weights_by_name import on_this_machine

_logger = logging.getLogger(__name__)


def plan_archive(
    settings: RunSettings, *, ray_address: str | None = None, loaders: ModelLoaders | None = None, sample: int = 0
) -> RunReport:
    """Report what a run of these settings would do, or everything that keeps it from starting.

    The time is estimated from a `sample` of so many photos that a worker restores; 0: from one grey tile.
    """
    try:
        # Before Ray begins, which may take minutes, and after, because Ray sets a handler of its own.
        with signals_as_interrupts(), ray_session(ray_address), signals_as_interrupts():
            return _plan(with_absolute_paths(settings), loaders or ModelLoaders(), sample)
    except NothingNew as nothing:
        return RunReport(ExitCode.DONE, None, str(nothing))
    except Interrupted as interrupt:
        return RunReport(ExitCode(128 + interrupt.number), None, f"ended by {interrupt}; a plan changes nothing")
    except PasdBatchError as error:
        return RunReport(ExitCode.CANNOT_START, None, str(error))
    except Exception as error:
        # Python's own exit code would be 1, which says that every photo has its row.
        _logger.exception("the plan ended unexpectedly")
        message = f"{type(error).__name__}: {error}\nnothing was begun; the log has the traceback"
        return RunReport(ExitCode.CANNOT_START, None, message)


def _plan(settings: RunSettings, loaders: ModelLoaders, sample: int) -> RunReport:
    storage = RunFolder.open(settings.output.root, settings.storage).storage
    with empty_folders_removed(storage):
        return _looked(settings, storage, loaders, sample)


def _looked(settings: RunSettings, storage: Storage, loaders: ModelLoaders, sample: int) -> RunReport:
    found = check_storage_and_workers(settings, storage, loaders)
    if not settings.manifest.only_new or found.worker is None:
        return _plan_of(settings, storage, loaders, sample, found)
    with manifest_of_run(settings, storage, found.worker.model_fingerprint) as (draft, new):
        assert draft is not None, "what is new is always listed"
        assert new is not None, "what is new is always listed"
        folders = listed_folder(settings.manifest.path, settings.storage)
        told = {"manifest": draft.manifest, "storage": settings.storage.with_folders(folders)}
        report = _plan_of(settings.model_copy(update=told), storage, loaders, sample, found)
    return dataclasses.replace(report, message="\n".join([*new.lines(), report.message]))


def _plan_of(settings: RunSettings, storage: Storage, loaders: ModelLoaders, sample: int, found: Findings) -> RunReport:
    problems = found.messages
    summary = None
    try:
        summary = plan_summary(settings, suffix=settings.output.file.format.suffix)
        # Without a worker's findings nobody knows which model the run would have.
        if found.worker is not None and not problems:
            _refuse_another_run(settings, storage, summary, found.worker)
    except PasdBatchError as error:
        problems.append(str(error))
    if problems or summary is None:
        raise PreflightFailed(problems)
    time = sampled_lines(settings, storage, loaders, sample) if sample else _time_lines(settings, loaders, summary)
    memory = _memory_lines(summary, found.worker)
    return RunReport(ExitCode.DONE, None, "\n".join([*summary.lines(), *memory, *time, *_cautions(settings)]))


def _cautions(settings: RunSettings) -> list[str]:
    cautions = settings.restoration.cautions if settings.mode is RunMode.RESTORE else ()
    return [f"warning: {line}" for line in (*cautions, *faults(settings.on_finish))]


def _refuse_another_run(settings: RunSettings, storage: Storage, summary: PlanSummary, worker: WorkerReport) -> None:
    """Make sure that a run of these settings could begin or go on at `output.root`; writes nothing."""
    run = read_run(storage)
    if run is None:
        refuse_strangers(storage)
        refuse_run_among_photos(settings.manifest, storage, settings.storage)
        return
    # A run that lists photos keeps its list, whatever has become of the folder; and a plan makes no list.
    lists_photos = run.lists_photos or summary.fingerprint is None
    wanted = describe_run(
        settings,
        manifest_fingerprint=run.manifest_fingerprint if lists_photos else str(summary.fingerprint),
        photos=summary.photos,
        model_fingerprint=worker.model_fingerprint,
        score_columns=worker.score_columns,
        lists_photos=lists_photos,
    )
    refuse_another(storage, run, wanted)


def _time_lines(settings: RunSettings, loaders: ModelLoaders, summary: PlanSummary) -> list[str]:
    if settings.mode is not RunMode.RESTORE:
        return [f"time: not estimated for mode {settings.mode.value}; --sample N measures it on N photos"]
    seconds, kind = _seconds_on_worker(settings, loaders)
    workers = workers_now(settings.workers)
    lines = [f"one tile takes {seconds:.2f} s on a worker; the cluster has room for {workers:,} now"]
    total = summary.seconds(seconds_per_tile=seconds, workers=workers)
    most = summary.seconds(seconds_per_tile=seconds, workers=workers, second_tries=True)
    if total is not None and most is not None:
        without = " (without scoring and storage)"
        again = ", {} if every photo has weak tiles and is done again" if most > total else ""
        shown = [str(timedelta(seconds=round(each))) for each in (total, most)]
        lines.append(f"time: about {shown[0]}{again.format(shown[1])}{without}")
        costs = [cost_of_seconds(settings.workers.price_per_hour, each * workers, kind) for each in (total, most)]
        if costs[0] is not None:
            lines.append(f"cost: about {costs[0]:,.2f}{again.format(f'{costs[1]:,.2f}')}{without}")
        lines += unpriced_lines(settings.workers.price_per_hour, kind)
    return [*lines, *_deadline_lines(settings, seconds, summary)]


def _deadline_lines(settings: RunSettings, seconds: float, summary: PlanSummary) -> list[str]:
    """A warning if the largest photo will not be done in time, by the seconds of a tile."""
    deadline, longest = settings.deadlines.restore, summary.work.most_effort * seconds
    if deadline is None or longest <= deadline:
        return []
    again = ", if it has weak tiles and is done again" if summary.work.second_tries else ""
    return [
        f"warning: the largest photo takes about {longest:,.0f} s{again}, more than deadlines.restore, "
        f"{deadline:,.0f} s, after which photos fail; raise it"
    ]


def _memory_lines(summary: PlanSummary, worker: WorkerReport | None) -> list[str]:
    """A warning if the largest photo takes more memory than a worker's machine has."""
    has, needs = None if worker is None else worker.memory, summary.work.most_memory
    if has is None or needs <= has:
        return []
    return [
        f"warning: the largest photo takes about {needs / 1e9:,.1f} GB of memory beside the models, and a worker's "
        f"machine has {has / 1e9:,.1f} GB; lower sampling.scale, leave the photo out, or take larger machines"
    ]


def _seconds_on_worker(settings: RunSettings, loaders: ModelLoaders) -> tuple[float, str | None]:
    """Seconds of a tile, and the type of the node that took them."""
    try:
        tried, kind = run_on_worker(try_tile, settings, loaders, settings=settings.workers, seconds=WORKER_SECONDS)
    except (ClusterFailed, TimeoutError) as error:
        raise PreflightFailed([f"no worker could restore a trial photo: {type(error).__name__}: {error}"]) from error
    if isinstance(tried, PhotoFailure):
        raise PreflightFailed([f"a grey trial photo cannot be restored: {tried.message}"])
    return tried, kind


def try_tile(settings: RunSettings, loaders: ModelLoaders) -> tuple[float | PhotoFailure, str | None]:
    """The outcome of `seconds_per_tile`, and the type of the worker's node; runs in a worker."""
    return seconds_per_tile(settings, loaders), node_type()


def seconds_per_tile(settings: RunSettings, loaders: ModelLoaders) -> float | PhotoFailure:
    """Restore a grey photo of one working size: seconds a tile when it is done again, or why not; runs in a worker."""
    import torch

    restorer = loaders.restorer(on_this_machine(without_second_tries(settings)))
    assert restorer is not None, "only score runs have no restorer, and they are not timed"
    sampling = settings.restoration.in_order[0].sampling
    side = max(1, round(sampling.min_short_side / sampling.scale))
    photo = torch.linspace(0.2, 0.8, side * side).reshape(1, side, side).expand(3, -1, -1).contiguous()
    # The first run also pays for warming up, compiling among it.
    restorer.restore([photo], prompts=[""], seeds=[0])
    started = time.perf_counter()
    (outcome,) = restorer.restore([photo], prompts=[""], seeds=[0])
    elapsed = time.perf_counter() - started
    return outcome if isinstance(outcome, PhotoFailure) else elapsed / outcome.report.tiles


def without_second_tries(settings: RunSettings) -> RunSettings:
    """The settings with no second try in any pass, so that a trial photo that counts as weak is restored once."""

    def once(each: PassSettings) -> dict[str, SamplingSettings]:
        return {"sampling": each.sampling.model_copy(update={"retry_weak": RetryWeakSettings()})}

    whole = settings.restoration
    passes = tuple(each.model_copy(update=once(each)) for each in whole.passes)
    return settings.model_copy(update={"restoration": whole.model_copy(update=once(whole) | {"passes": passes})})
