"""A run from start to finish, and again after every interruption: the driver.

Everything that matters is in storage. This process can be killed at any moment; the same call resumes the run, and
two of them at once make one result.
"""

import logging
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from pasd_batch.batch.driver.dispatch import work_off
from pasd_batch.batch.driver.early_checks import refuse_early
from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.finished import finished_run
from pasd_batch.batch.driver.finishing import finish
from pasd_batch.batch.driver.interrupts import Interrupted, signals_as_interrupts
from pasd_batch.batch.driver.manifest_check import RunManifest
from pasd_batch.batch.driver.on_finish import faults, tell_end
from pasd_batch.batch.driver.preflight import PreflightFailed, WorkerReport, check_run
from pasd_batch.batch.driver.run_paths import shown_root, with_absolute_paths
from pasd_batch.batch.planning.checked_manifest import CheckedManifest
from pasd_batch.batch.planning.only_new import NothingNew
from pasd_batch.batch.planning.plan import plan_is_complete, write_plan
from pasd_batch.batch.worker.log_lines import LogFormat, log_context, log_format_in_use
from pasd_batch.batch.worker.models import ModelLoaders
from pasd_batch.batch.worker.spec import WorkerSpec
from pasd_batch.cluster.session import ClusterFailed, ray_runs, ray_session
from pasd_batch.config.run import RunMode, RunSettings
from pasd_batch.errors import PasdBatchError, TroubleAroundPhotos
from pasd_batch.manifests.errors import ManifestError
from pasd_batch.runs.damage import RunDamaged
from pasd_batch.runs.layout import RESULTS_FOLDER
from pasd_batch.runs.run_file import AnotherRun, RunFile, claim_run, describe_run, read_run
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.runs.summary import RunCounts
from pasd_batch.storage.redaction import redact_uri
from pasd_batch.storage.storage import Storage
from pasd_batch.weights_by_name import with_pins

_logger = logging.getLogger(__name__)


class CannotGoOn(PasdBatchError):
    """A run that has begun could not go on now; the message has all reasons that were found."""


@dataclass(frozen=True)
class RunReport:
    """Result of a call of `run_archive`."""

    exit_code: ExitCode
    counts: RunCounts | None
    message: str
    hint: str = ""
    """Command that shows what came out, in a sentence; empty where there is nothing to look at."""


def run_archive(
    settings: RunSettings,
    *,
    ray_address: str | None = None,
    show_progress: bool = True,
    resume_command: str = "the same command",
    loaders: ModelLoaders | None = None,
) -> RunReport:
    """Begin a run, or resume it: check, plan, work off all shards that are not committed, add up.

    Where no Ray runs yet, everything that can be told without one is told before it is begun.
    `resume_command` is what the report tells people to type after an interruption. Without a `ray_address` the
    cluster of `RAY_ADDRESS` is used, or a local Ray that ends with the call. What `on_finish` names is told the end.
    """
    with log_context(run=shown_root(settings)):
        for fault in faults(settings.on_finish):
            _logger.warning("%s", fault)
        report = _to_the_end(settings, loaders or ModelLoaders(), ray_address, show_progress, resume_command)
        tell_end(settings, report.exit_code, report.counts, report.message)
    return report


def _to_the_end(
    settings: RunSettings, loaders: ModelLoaders, ray_address: str | None, show_progress: bool, resume: str
) -> RunReport:
    try:
        # Before Ray begins, which may take minutes, and after, because Ray sets a handler of its own.
        with signals_as_interrupts():
            if not ray_runs():
                refuse_early(settings, ray_address=ray_address)
            if (found := finished_run(settings, loaders, ray_address=ray_address)) is not None:
                return _finished(*found, with_absolute_paths(settings), resume)
            with ray_session(ray_address), signals_as_interrupts():
                return _run(settings, loaders, show_progress=show_progress, resume=resume)
    except NothingNew as nothing:
        return RunReport(ExitCode.DONE, RunCounts(), str(nothing))
    except Interrupted as interrupt:
        message = f"ended by {interrupt}; everything committed is safe, {resume} resumes the run"
        return RunReport(ExitCode(128 + interrupt.number), None, message)
    except (ClusterFailed, PreflightFailed) as error:
        return RunReport(ExitCode.CANNOT_START, None, str(error))
    except Exception as error:
        # Python's own exit code would be 1, which says that every photo has its row.
        _logger.exception("the run ended unexpectedly")
        return RunReport(ExitCode.INCOMPLETE, None, f"{type(error).__name__}: {error}\n{resume} resumes the run")


def _finished(folder: RunFolder, run: RunFile, settings: RunSettings, resume: str) -> RunReport:
    """The report of a run that is complete; its results are added up once more, and looked for."""
    try:
        counts, written = finish(folder, run, settings)
    except (ManifestError, TroubleAroundPhotos) as error:
        return _ended_by(error, resume)
    return _report(counts, written, settings, folder.storage)


def _ended_by(error: ManifestError | TroubleAroundPhotos, resume: str) -> RunReport:
    """The report of a run that cannot go on: as it is asked for, or for now, or not before its files are mended."""
    match error:
        case ManifestError():
            return RunReport(ExitCode.CANNOT_START, None, str(error))
        case RunDamaged():
            return RunReport(ExitCode.INCOMPLETE, None, str(error))
        case _:
            return RunReport(ExitCode.INCOMPLETE, None, f"{error}\n{resume} resumes the run")


def check_again(settings: RunSettings, loaders: ModelLoaders | None = None) -> None:
    """Make sure that the run which has begun could go on now; Ray must be running.

    Raises:
        CannotGoOn: settings, models, manifest or storage are not as they must be.
    """
    try:
        settings = with_absolute_paths(settings)
        folder = RunFolder.open(settings.output.root, settings.storage)
        _claim(settings, folder.storage, loaders or ModelLoaders())
    except PasdBatchError as error:
        raise CannotGoOn(str(error)) from error


def _run(settings: RunSettings, loaders: ModelLoaders, *, show_progress: bool, resume: str) -> RunReport:
    try:
        settings = with_absolute_paths(settings)
        folder = RunFolder.open(settings.output.root, settings.storage)
        storage = folder.storage
        run, found, worker, resumed = _claim(settings, storage, loaders)
    except NothingNew as nothing:
        return RunReport(ExitCode.DONE, RunCounts(), str(nothing))
    except PasdBatchError as error:
        return RunReport(ExitCode.CANNOT_START, None, str(error))
    if settings.mode is RunMode.RESTORE:
        for line in settings.restoration.cautions:
            _logger.warning("%s", line)
    try:
        if not plan_is_complete(folder, run.shards):
            write_plan(found.manifest, storage, shard_size=settings.shard_size)
        # Workers take the weights that the run began with, though their names may mean others by now.
        settings = with_pins(settings, worker.weights | run.weights)
        spec = _spec(settings, run, found.manifest, loaders)
        trouble = work_off(run, spec, folder, resumed=resumed, show_progress=show_progress)
        if trouble is not None:
            return RunReport(ExitCode.INCOMPLETE, None, f"{trouble}\n{resume} resumes the run")
        counts, written = finish(folder, run, settings)
    except (ManifestError, TroubleAroundPhotos) as error:
        return _ended_by(error, resume)
    return _report(counts, [*found.notes, *written], settings, storage)


def _spec(settings: RunSettings, run: RunFile, manifest: CheckedManifest, loaders: ModelLoaders) -> WorkerSpec:
    """The run as workers see it, who do not see the manifest."""
    return WorkerSpec(
        settings.model_copy(update={"storage": settings.storage.with_folders(manifest.folders)}),
        run.provenance,
        run.score_columns,
        manifest.survey.extra,
        loaders,
        manifest.survey.plan_key,
        logs_json=log_format_in_use() is LogFormat.JSON,
    )


def _claim(
    settings: RunSettings, storage: Storage, loaders: ModelLoaders
) -> tuple[RunFile, RunManifest, WorkerReport, bool]:
    """Check everything and claim the run; what was found, and whether somebody else has begun it."""
    known = read_run(storage)
    found, worker = check_run(settings, storage, loaders)
    wanted = describe_run(
        settings,
        manifest_fingerprint=found.manifest.fingerprint,
        photos=found.manifest.photos,
        model_fingerprint=worker.model_fingerprint,
        score_columns=worker.score_columns,
        lists_photos=found.lists_photos,
        weights=worker.weights,
    )
    try:
        run = claim_run(storage, wanted)
    except AnotherRun:
        if known is None and found.lists_photos and read_run(storage) is not None:
            # Another driver has begun just now, with a list of its own of the same folder: that list counts.
            return _claim(settings, storage, loaders)
        raise
    if run.software != wanted.software:
        _logger.warning("the run began with %s, and goes on with %s", run.software, wanted.software)
    return run, found, worker, run is not wanted


def _report(counts: RunCounts, notes: Sequence[str], settings: RunSettings, storage: Storage) -> RunReport:
    results = f"{counts.photos:,} photos, {counts.outcomes()}; results in {storage.uri(RESULTS_FOLDER)}"
    done = "\n".join([results, *notes])
    hint = "" if settings.mode is RunMode.DESCRIBE else _hint(storage)
    if counts.error_rate <= settings.max_error_rate:
        return RunReport(ExitCode.DONE, counts, done, hint)
    reasons = ", ".join(f"{number:,} x {reason}" for reason, number in counts.failures.items())
    limit = f"{counts.error_rate:.1%} failed, more than max_error_rate {settings.max_error_rate:.1%}: {reasons}"
    return RunReport(ExitCode.TOO_MANY_FAILURES, counts, f"{done}\n{limit}", hint)


def _hint(storage: Storage) -> str:
    return f"pasd-batch report {shlex.quote(redact_uri(storage.uri()))} makes a page of photos, scores and failures"
