"""A run from start to finish, and again after every interruption: the driver.

Everything that matters is in storage. This process can be killed at any moment; the same call resumes the run, and
two of them at once make one result.
"""

import logging
import random
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import Any

from pasd_batch.batch.ledger import AttemptLedger
from pasd_batch.batch.models import ModelLoaders
from pasd_batch.batch.plan import plan_is_complete, write_plan
from pasd_batch.batch.preflight import PreflightFailed, check_run
from pasd_batch.batch.progress import RunProgress
from pasd_batch.batch.run_file import AnotherRun, RunFile, claim_run, describe_run, read_run
from pasd_batch.batch.scheduler import ray_session, read_board, run_shards, start_board
from pasd_batch.batch.spec import WorkerSpec
from pasd_batch.batch.summary import RunCounts, RunInconsistent, expected_photos, summarize
from pasd_batch.batch.worker import ShardProgress, ShardState
from pasd_batch.config.run import RunSettings
from pasd_batch.data.manifest_errors import ManifestError
from pasd_batch.data.results import RESULTS_FOLDER, ResultStore
from pasd_batch.data.storage import Storage, StorageError

_logger = logging.getLogger(__name__)

BOARD_SECONDS = 1.0
"""How often the driver asks how far the shards in work are."""

GIVEN_BACK_IN_A_ROW = 8
"""After so many shards given back one after the other the driver stops: storage or models are not to be had."""


class ExitCode(IntEnum):
    """How a run ended."""

    DONE = 0
    """Every photo has its row, and few enough failed."""
    TOO_MANY_FAILURES = 1
    """Every photo has its row, and more than `max_error_rate` failed."""
    CANNOT_START = 2
    """Settings, manifest, models, storage, or a folder that belongs to another run; nothing was done."""
    INCOMPLETE = 3
    """Photos without a row are left, because storage or models were in trouble; the same command resumes."""
    INTERRUPTED = 130
    """Ended by SIGINT; the same command resumes."""
    TERMINATED = 143
    """Ended by SIGTERM; the same command resumes."""


@dataclass(frozen=True)
class RunReport:
    """What a call of `run_archive` came to."""

    exit_code: ExitCode
    counts: RunCounts | None
    message: str


class Interrupted(BaseException):
    """A signal asks this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = ExitCode(128 + number)


def run_archive(
    settings: RunSettings,
    *,
    ray_address: str | None = None,
    show_progress: bool = True,
    resume_command: str = "the same command",
    loaders: ModelLoaders | None = None,
) -> RunReport:
    """Begin a run, or resume it: plan, work off all shards that are not committed, add up.

    `resume_command` is what the report tells people to type after an interruption. Without a `ray_address` the
    cluster of `RAY_ADDRESS` is used, or a local Ray that ends with the call.
    """
    try:
        with ray_session(ray_address), _signals_as_interrupts():
            return _run(settings, loaders or ModelLoaders(), show_progress=show_progress, resume=resume_command)
    except Interrupted as interrupt:
        message = f"ended by {interrupt}; everything committed is safe, {resume_command} resumes the run"
        return RunReport(interrupt.exit_code, None, message)


def _run(settings: RunSettings, loaders: ModelLoaders, *, show_progress: bool, resume: str) -> RunReport:
    try:
        settings = with_absolute_paths(settings)
        storage = _open_storage(settings)
        run, spec, resumed = _prepare(settings, storage, loaders)
    except (PreflightFailed, AnotherRun, ManifestError, StorageError) as error:
        return RunReport(ExitCode.CANNOT_START, None, str(error))
    try:
        trouble = _work_off(run, spec, storage, resumed=resumed, show_progress=show_progress)
        if trouble is not None:
            return RunReport(ExitCode.INCOMPLETE, None, f"{trouble}\n{resume} resumes the run")
        counts = summarize(storage, settings.storage, run)
    except (StorageError, RunInconsistent) as error:
        return RunReport(ExitCode.INCOMPLETE, None, f"{error}\n{resume} resumes the run")
    return _report(counts, settings, storage)


def with_absolute_paths(settings: RunSettings) -> RunSettings:
    """The settings with relative local paths resolved here, because workers may run in another folder."""
    access = settings.storage
    root = Storage.open(settings.output.root, allowed_schemes=access.allowed_schemes).uri()
    model, metrics = settings.restoration.model, settings.metrics
    changes = {
        "output": {"root": root},
        "restoration": {"model": {"base": _absolute(model.base), "control": _absolute(model.control)}},
        "metrics": {"weights_dir": _absolute(metrics.weights_dir)},
    }
    return RunSettings.parse(_updated(settings.model_dump(), changes))


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.expanduser().absolute()


def _updated(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return values | {
        name: _updated(values[name], change) if isinstance(change, dict) else change for name, change in changes.items()
    }


def _open_storage(settings: RunSettings) -> Storage:
    access = settings.storage
    return Storage.open(settings.output.root, retry=access.retry, allowed_schemes=access.allowed_schemes)


def _prepare(settings: RunSettings, storage: Storage, loaders: ModelLoaders) -> tuple[RunFile, WorkerSpec, bool]:
    """Check everything, claim the run and plan it; whether it had begun before."""
    known = read_run(storage)
    found = check_run(settings, storage, loaders)
    wanted = describe_run(
        settings,
        manifest_fingerprint=found.manifest.fingerprint,
        photos=found.manifest.photos,
        model_fingerprint=found.worker.model_fingerprint,
        score_columns=found.worker.score_columns,
        lists_photos=found.lists_photos,
    )
    run = claim_run(storage, wanted)
    if run.software != wanted.software:
        _logger.warning("the run began with %s, and goes on with %s", run.software, wanted.software)
    if not plan_is_complete(storage, run.shards):
        write_plan(found.manifest, storage, shard_size=settings.shard_size)
    extra = tuple(found.manifest.survey.extra)
    spec = WorkerSpec(settings, run.provenance, run.score_columns, extra, loaders)
    return run, spec, known is not None


def _work_off(run: RunFile, spec: WorkerSpec, storage: Storage, *, resumed: bool, show_progress: bool) -> str | None:
    """Work until every shard is committed, or nothing gets better; what the trouble is, if any."""
    results = ResultStore(storage)
    done = {shard for shard in results.committed() if shard < run.shards}
    photos_done = sum(expected_photos(run, shard) for shard in done)
    board = start_board()
    with RunProgress(run.photos, done=photos_done, show=show_progress) as progress, _watching(board, progress):
        while len(done) < run.shards:
            pending = [shard for shard in range(run.shards) if shard not in done]
            if resumed:
                # Another driver may be at work on this run: beginning elsewhere, the two seldom do a shard twice.
                start = random.randrange(len(pending))
                pending = pending[start:] + pending[:start]
            trouble = _one_pass(run, spec, pending, board, progress)
            before, done = len(done), {shard for shard in results.committed() if shard < run.shards}
            if trouble is not None and len(done) == before:
                return f"{run.shards - len(done):,} of {run.shards:,} shards are left: {trouble}"
    return None


def _one_pass(run: RunFile, spec: WorkerSpec, pending: Sequence[int], board: Any, progress: RunProgress) -> str | None:
    """Hand out all pending shards once; why shards were given back, if any were."""
    trouble, in_a_row = None, 0
    try:
        with closing(run_shards(spec, pending, board)) as outcomes:
            for outcome in outcomes:
                if outcome.state is not ShardState.GIVEN_BACK:
                    progress.commit(outcome.shard, expected_photos(run, outcome.shard), outcome.failed)
                    in_a_row = 0
                    continue
                trouble, in_a_row = outcome.message, in_a_row + 1
                _logger.warning("shard %d was given back: %s", outcome.shard, trouble)
                if in_a_row == GIVEN_BACK_IN_A_ROW:
                    break
    except Interrupted:
        _withdraw_attempts(spec, read_board(board))
        raise
    return trouble


def _withdraw_attempts(spec: WorkerSpec, running: Sequence[ShardProgress]) -> None:
    """Take back the attempts that this driver interrupts, so that they do not count as crashes."""
    for progress in running:
        try:
            AttemptLedger.of_shard(spec.storage(), progress.shard).withdraw(progress.attempt)
        except StorageError as error:
            _logger.warning("an interrupted attempt will count as a crash: %s", error)


def _report(counts: RunCounts, settings: RunSettings, storage: Storage) -> RunReport:
    done = f"{counts.photos:,} photos, {counts.failed:,} failed; results in {storage.uri(RESULTS_FOLDER)}"
    if counts.error_rate <= settings.max_error_rate:
        return RunReport(ExitCode.DONE, counts, done)
    reasons = ", ".join(f"{number:,} x {reason}" for reason, number in counts.failures.items())
    limit = f"{counts.error_rate:.1%} failed, more than max_error_rate {settings.max_error_rate:.1%}: {reasons}"
    return RunReport(ExitCode.TOO_MANY_FAILURES, counts, f"{done}\n{limit}")


@contextmanager
def _watching(board: Any, progress: RunProgress) -> Iterator[None]:
    """Show what stands on the board, from a thread of its own, as long as the context lasts."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(BOARD_SECONDS):
            progress.watch(read_board(board))

    thread = threading.Thread(target=watch, daemon=True, name="progress")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _signals_as_interrupts() -> Iterator[None]:
    """SIGINT and SIGTERM raise `Interrupted` in the main thread; a second one ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
