"""`verify --repair RUN`: what is missing or damaged is taken out of a run, so that running it does that again.

Nothing is deleted: what is taken out goes to `RUN/damaged`. In each shard the result file goes last, so that a repair
that is killed at any moment leaves a shard that is found damaged again, or one that any resume finishes. Rows that
are good are kept as they are in `RUN/repair`, and the photos that they describe are not done again.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from pasd_batch.batch.driver.exit_code import ExitCode
from pasd_batch.batch.driver.interrupts import signals_as_interrupts
from pasd_batch.batch.driver.run import CannotGoOn, RunReport, check_again, run_archive
from pasd_batch.batch.worker.kept_rows import keep_rows, kept_rows
from pasd_batch.batch.worker.models import ModelLoaders
from pasd_batch.cluster.session import ClusterFailed, ray_session
from pasd_batch.config.base import ConfigError
from pasd_batch.config.run import RunSettings
from pasd_batch.runs.layout import (
    DAMAGED_FOLDER,
    RUN_FILE,
    damaged_path,
    isolated_row_path,
    kept_rows_path,
    photo_list_path,
    plan_path,
    result_files,
    result_path,
)
from pasd_batch.runs.plan_key import problem_of_kept_list
from pasd_batch.runs.run_file import RunFile
from pasd_batch.runs.run_folder import RunFolder
from pasd_batch.runs.shard_check import ShardCheck
from pasd_batch.runs.shard_findings import ProblemKind, ShardFindings
from pasd_batch.storage.redaction import redact_uri
from pasd_batch.storage.storage import Storage
from pasd_batch.storage.threads import in_threads

_logger = logging.getLogger(__name__)


@dataclass
class Repair:
    """Takes what is damaged out of the run at `folder`, shard by shard."""

    folder: RunFolder
    prepare: Callable[[], None] = lambda: None
    """Called once before the first change; raises if what is taken out could not be done again."""
    passes: int = 0
    """Passes before the last whose results the run stores."""
    shards: list[int] = field(default_factory=list)
    """Shards that were taken out, or were not there."""
    counts: Counter[str] = field(default_factory=Counter)
    """Work that is to be done again."""
    _begun: bool = False

    def begin(self) -> None:
        """Prepare, if that has not been done yet."""
        if not self._begun:
            self.prepare()
        self._begun = True

    def take_out(self, found: ShardFindings) -> None:
        """Prepare one shard for being done again, as far as it is damaged.

        Raises:
            StorageError: something cannot be moved; the shard is found damaged again by the next repair.
        """
        if found.problems:
            self.begin()
        if found.has(ProblemKind.PLAN_DAMAGED):
            set_aside(self.folder.storage, plan_path(found.shard))
        if found.has(ProblemKind.PLAN_DAMAGED) or found.has(ProblemKind.PLAN_MISSING):
            self.counts["plan files"] += 1
        if found.has(ProblemKind.RESULTS_DAMAGED):
            self._take_out_all(found)
            self.counts["photos"] += found.photos
        elif found.bad_rows:
            self._take_out_photos(found)
            self.counts["photos"] += len(found.bad_rows)
        elif found.has(ProblemKind.RESULTS_MISSING):
            self.counts["photos"] += found.photos - len(kept_rows(self.folder.storage, found.shard))
        else:
            self._forget_kept_rows(found.shard)
            return
        self.shards.append(found.shard)

    def take_out_plan(self, run: RunFile) -> None:
        """Let the whole plan be made again.

        Raises:
            StorageError: a file of it cannot be moved.
        """
        for shard in range(run.shards):
            set_aside(self.folder.storage, plan_path(shard))
        self.counts["plan files"] = run.shards

    def _take_out_photos(self, found: ShardFindings) -> None:
        bad = set(found.bad_rows)
        keep_rows(self.folder, found.shard, [place for place in range(found.photos) if place not in bad])
        self._forget_isolated_rows(found.shard, found.bad_rows)
        for problem in found.problems:
            if problem.kind is ProblemKind.PHOTO_DAMAGED and problem.path != result_path(found.shard):
                set_aside(self.folder.storage, problem.path)
        set_aside(self.folder.storage, result_path(found.shard))

    def _take_out_all(self, found: ShardFindings) -> None:
        """Without rows there are no hashes to tell good photos from damaged ones by: all are done again."""
        self._forget_kept_rows(found.shard)
        self._forget_isolated_rows(found.shard, range(found.photos))
        for planned in found.planned_paths:
            for path in result_files(planned, self.passes):
                set_aside(self.folder.storage, path)
        set_aside(self.folder.storage, result_path(found.shard))

    def _forget_kept_rows(self, shard: int) -> None:
        self.folder.storage.delete(kept_rows_path(shard))

    def _forget_isolated_rows(self, shard: int, places: Sequence[int]) -> None:
        """Rows that photos taken apart one by one have left: they describe what is damaged now."""
        for place in places:
            self.folder.storage.delete(isolated_row_path(shard, place))


@contextmanager
def repairing(
    folder: RunFolder,
    run: RunFile,
    settings: RunSettings,
    *,
    ray_address: str | None = None,
    loaders: ModelLoaders | None = None,
) -> Iterator[Repair]:
    """A repair which, before its first change, begins Ray and makes sure that what it takes out can be done again.

    Raises:
        CannotGoOn: at the first change; nothing was taken out then but a damaged list of photos.
    """
    with ExitStack() as session:

        def prepare() -> None:
            try:
                session.enter_context(ray_session(ray_address))
            except ClusterFailed as error:
                raise CannotGoOn(str(error)) from error
            session.enter_context(signals_as_interrupts())  # Ray sets a handler of its own
            take_out_damaged_list(folder, run)
            check_again(settings, loaders)

        yield Repair(folder, prepare, passes=run.stored_passes)


def set_aside(storage: Storage, path: str) -> None:
    """Move a file of the run to `RUN/damaged`, in place of what was put there before.

    Raises:
        StorageError: it cannot be moved.
    """
    _logger.info("%s is moved to %s", redact_uri(storage.uri(path)), redact_uri(storage.uri(DAMAGED_FOLDER)))
    storage.move(path, damaged_path(path))


def take_out_damaged_list(folder: RunFolder, run: RunFile) -> None:
    """Let the list of photos be made again, which a run over a folder keeps, if it is damaged.

    Raises:
        StorageError: it cannot be looked at or moved.
    """
    if run.lists_photos and problem_of_kept_list(folder, run.manifest_fingerprint) is not None:
        set_aside(folder.storage, photo_list_path(run.manifest_fingerprint))


def settings_of_run(run: RunFile, root: str) -> RunSettings:
    """The settings that the run at `root` began with, as far as `run.json` tells them.

    Raises:
        ConfigError: it leaves out what is secret, or was written by a version with other settings.
    """
    remedy = "give the configuration that began the run: --config CONFIG [key=value ...]"
    if "***" in str(run.settings):
        raise ConfigError(f"{redact_uri(root)}: {RUN_FILE} hides the secrets of the manifest's address; {remedy}")
    try:
        return RunSettings.parse(run.settings | {"output": run.settings["output"] | {"root": root}}, source=RUN_FILE)
    except (ConfigError, KeyError, TypeError) as error:
        raise ConfigError(f"{error}\n{remedy}") from None


def run_again(
    repair: Repair,
    run: RunFile,
    settings: RunSettings,
    *,
    ray_address: str | None = None,
    show_progress: bool = True,
    loaders: ModelLoaders | None = None,
) -> RunReport:
    """Do what was taken out, and look at it: `DONE` if it is whole now, whatever the share of failed photos."""
    report = run_archive(
        settings,
        ray_address=ray_address,
        show_progress=show_progress,
        resume_command="the same repair, or the command that began the run,",
        loaders=loaders,
    )
    if report.exit_code not in (ExitCode.DONE, ExitCode.TOO_MANY_FAILURES):
        return report
    check = ShardCheck(repair.folder, run, frozenset(repair.folder.committed()))
    left = [problem for found in in_threads(check.check, repair.shards) for problem in found.problems]
    if left:
        named = ", ".join(f"{problem.path} ({problem.kind})" for problem in left[:10])
        return RunReport(ExitCode.INCOMPLETE, report.counts, f"still damaged: {named}; see whether the disk is sound")
    return RunReport(ExitCode.DONE, report.counts, report.message)
