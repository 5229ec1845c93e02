"""`pasd-batch verify RUN`: is everything there and as it was stored; with `--repair`, what is not is done again."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from pasd_batch.batch.worker.log_lines import tell
from pasd_batch.cli.archive_options import add_storage_options, read_config, storage_settings_from
from pasd_batch.cli.errors import UsageError
from pasd_batch.config.run import RunSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.storage.printable import printable, printable_line
from pasd_batch.storage.redaction import redact_uri, shown_command

if TYPE_CHECKING:
    from pasd_batch.batch.driver.repair import Repair
    from pasd_batch.runs.run_file import RunFile
    from pasd_batch.runs.run_folder import RunFolder
    from pasd_batch.runs.verification import Verification

EXIT_DAMAGED = 1
"""Something is missing, damaged, or belongs to nothing."""


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "verify",
        help="check all files of a run, and mend them",
        description="Read everything that a run has stored, and compare it with plan, rows and hashes. Nothing is "
        "changed without --repair or --delete-extra. Ends with 0 if the run is whole (now), 1 if it is damaged, not "
        "complete or has files that belong to nothing, 2 if that cannot be told; --repair also as the command `run`.",
    )
    parser.add_argument("uri", metavar="RUN", help="the run's output.root")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="key=value", help="settings that differ from those in CONFIG"
    )
    parser.add_argument("--quick", action="store_true", help="look at the sizes of restored photos, not their bytes")
    parser.add_argument("-o", "--output", metavar="FILE", help="write every problem as a line of this CSV file")
    parser.add_argument("--repair", action="store_true", help="do again what is missing or damaged, and nothing else")
    parser.add_argument(
        "--delete-extra",
        action="store_true",
        help="delete files of images/, passes/, plan/ and results/ that belong to nothing",
    )
    parser.add_argument(
        "--config",
        metavar="CONFIG",
        help="the file that began the run; --repair needs it if run.json is damaged, lost or hides secrets",
    )
    parser.add_argument("--ray-address", help="Ray cluster for the repair (default: RAY_ADDRESS, else this machine)")
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")
    add_storage_options(parser)
    parser.set_defaults(run=run, supervise=supervise, takes_overrides=True)


def supervise(options: argparse.Namespace, driver: Callable[[], int]) -> int:
    """Check and mend in a child process: damaged files are what ends native code, and a repair drives Ray."""
    from pasd_batch.batch.driver.exit_code import ExitCode
    from pasd_batch.batch.driver.supervisor import supervised

    command = shown_command(["pasd-batch", *sys.argv[1:]])
    lost = ExitCode.INCOMPLETE if options.repair else ExitCode.CANNOT_START
    return supervised(driver, lost=lost, remedy=f"the run may be damaged; {command} can be given again")


def run(options: argparse.Namespace) -> int:
    """Check the run, and mend it if that is wished."""
    from pasd_batch.runs.damage import RunDamaged
    from pasd_batch.runs.run_folder import RunFolder

    if options.overrides and options.config is None:
        raise UsageError(f"{options.overrides[0]}: overrides need the configuration that they belong to, --config")
    settings = read_config(options) if options.config else None
    storage_settings = settings.storage if settings else storage_settings_from(options)
    folder = RunFolder.open(options.uri, storage_settings)
    try:
        run_file = _run_file(folder, settings if options.repair else None)
    except RunDamaged as error:
        sys.stderr.write(printable(f"{error}\n"))
        return EXIT_DAMAGED
    if options.repair:
        # Before anything is taken out: without settings nothing could be done again.
        return _repair(folder, run_file, _settings(folder, run_file, settings), options)
    result = _verify(folder, run_file, options, None)
    left = _tell(result, options)
    if not result.mendable:
        return left
    _advise(options, "--repair", "does again what is missing or damaged, and nothing else")
    return EXIT_DAMAGED


def _repair(folder: "RunFolder", run_file: "RunFile", settings: RunSettings, options: argparse.Namespace) -> int:
    from pasd_batch.batch.driver.repair import repairing
    from pasd_batch.batch.driver.run import CannotGoOn

    try:
        with repairing(folder, run_file, settings, ray_address=options.ray_address) as repair:
            result = _verify(folder, run_file, options, repair)
            left = _tell(result, options)
            if not result.mendable:
                return left
            repair.begin()
            return _mend(repair, run_file, settings, result, options) or left
    except CannotGoOn as error:
        raise UsageError(f"the run is damaged, and left as it is, as it could not go on now: {error}") from None


def _tell(result: "Verification", options: argparse.Namespace) -> int:
    """Say what was found; the exit code as far as files that belong to nothing are concerned."""
    from pasd_batch.runs.shard_findings import ProblemKind

    sys.stdout.write("\n".join(map(printable_line, result.lines())) + "\n")
    count = result.counts[ProblemKind.EXTRA]
    if not count:
        return 0
    if options.delete_extra:
        sys.stdout.write(f"deleted: {_counted(count, 'files')} that belonged to nothing\n")
        return 0
    _advise(options, "--delete-extra", "deletes the files that belong to nothing")
    return EXIT_DAMAGED


def _run_file(folder: "RunFolder", settings: RunSettings | None) -> "RunFile":
    """Read the run file; with `settings` a lost or damaged `run.json` is made again."""
    from pasd_batch.batch.driver.run_file_again import write_run_file_again
    from pasd_batch.runs.damage import RunDamaged
    from pasd_batch.runs.run_file import read_run
    from pasd_batch.runs.run_folder import no_run

    try:
        known = read_run(folder.storage)
    except RunDamaged:
        if settings is None:
            raise
        known = None
    if known is not None:
        return known
    if settings is None or not folder.committed():
        raise no_run(folder.storage)
    return write_run_file_again(folder, settings)


def _verify(
    folder: "RunFolder", run_file: "RunFile", options: argparse.Namespace, repair: "Repair | None"
) -> "Verification":
    from tqdm import tqdm

    from pasd_batch.runs.shard_findings import Problem, ProblemKind, ShardFindings
    from pasd_batch.runs.verification import Verifier

    # `None` shows the bar on terminals only.
    bar = tqdm(total=run_file.photos, unit=" photos", disable=True if options.no_progress else None)

    def on_shard(found: ShardFindings) -> None:
        bar.update(found.photos)
        if repair is not None:
            repair.take_out(found)

    with bar, _problems_written(options.output) as write:

        def on_problem(problem: Problem) -> None:
            write(problem)
            if options.delete_extra and problem.kind is ProblemKind.EXTRA:
                folder.storage.delete(problem.path)

        return Verifier(folder, run_file, hashes=not options.quick, on_problem=on_problem, on_shard=on_shard).verify()


@contextmanager
def _problems_written(path: str | None) -> Iterator[Any]:
    """A function that writes a problem as a line of the CSV file at `path`, if one is named."""
    if path is None:
        yield lambda problem: None
        return
    import csv
    from dataclasses import astuple, fields

    from pasd_batch.manifests.writing import begins_with, refuse_other_file
    from pasd_batch.runs.shard_findings import Problem

    names = [field.name for field in fields(Problem)]
    refuse_other_file(path, StorageSettings(), "a list of problems", begins_with(",".join(names)))
    with ExitStack() as stack:
        try:
            file = stack.enter_context(
                open(os.path.expanduser(path), "w", newline="", encoding="utf-8", errors="surrogateescape")
            )
        except OSError as error:
            raise UsageError(f"--output {path}: {error.strerror}; name a file that can be written") from None
        writer = csv.writer(file)
        writer.writerow(names)
        yield lambda problem: writer.writerow(astuple(problem))


def _mend(
    repair: "Repair",
    run_file: "RunFile",
    settings: RunSettings,
    result: "Verification",
    options: argparse.Namespace,
) -> int:
    from pasd_batch.batch.driver.exit_code import ExitCode
    from pasd_batch.batch.driver.repair import run_again
    from pasd_batch.runs.shard_findings import ProblemKind

    if result.plan_is_wrong:
        repair.take_out_plan(run_file)
    again = [_counted(count, what) for what, count in repair.counts.items()]
    others = {ProblemKind.PHOTO_LIST: "the list of photos", ProblemKind.SUMMARY: "the summary"}
    again += [what for kind, what in others.items() if result.counts[kind]]
    sys.stdout.write(f"to be done again: {', '.join(again)}\n")
    report = run_again(
        repair, run_file, settings, ray_address=options.ray_address, show_progress=not options.no_progress
    )
    done = report.exit_code is ExitCode.DONE
    tell(report.message, failed=not done)
    return report.exit_code


def _settings(folder: "RunFolder", run_file: "RunFile", settings: RunSettings | None) -> RunSettings:
    """The settings that are given, or those in `run.json`, with the run where it is now."""
    from pasd_batch.batch.driver.repair import settings_of_run

    root = folder.storage.uri()
    if settings is None:
        return settings_of_run(run_file, root)
    values = settings.model_dump()
    return RunSettings.parse(values | {"output": values["output"] | {"root": root}})


def _advise(options: argparse.Namespace, option: str, does: str) -> None:
    sys.stderr.write(printable(f"`pasd-batch verify {redact_uri(options.uri)} {option}` {does}\n"))


def _counted(count: int, things: str) -> str:
    return f"{count:,} {things if count != 1 else things.removesuffix('s')}"
