"""`pasd-batch verify RUN`: is everything there and as it was stored; with `--repair`, what is not is done again."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from pasd_batch.cli.archive_options import add_access, read_config, storage_access
from pasd_batch.cli.errors import UsageError
from pasd_batch.config.run import RunSettings
from pasd_batch.data.printable import printable, printable_line
from pasd_batch.data.redaction import redact_uri, shown_command

if TYPE_CHECKING:
    from pasd_batch.batch.repair import Repair
    from pasd_batch.batch.run_file import RunFile
    from pasd_batch.batch.verification import Verification
    from pasd_batch.data.run_folder import RunFolder

EXIT_DAMAGED = 1
"""Something is missing, damaged, or belongs to nothing."""


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "verify",
        help="check all files of a run, and mend them",
        description="Read everything that a run has stored and compare it with plan, rows and hashes. Ends with 0 if "
        "the run is whole, 1 if it is damaged or not complete, 2 if it cannot be checked.",
    )
    parser.add_argument("uri", metavar="RUN", help="the run's output.root")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that differ from CONFIG")
    parser.add_argument("--quick", action="store_true", help="look at the sizes of restored photos, not their bytes")
    parser.add_argument("--output", metavar="FILE", help="write every problem into this CSV file")
    parser.add_argument("--repair", action="store_true", help="do again what is missing or damaged, and nothing else")
    parser.add_argument("--delete-extra", action="store_true", help="delete files that belong to nothing")
    parser.add_argument("--config", metavar="CONFIG", help="the run's configuration, where run.json does not tell it")
    parser.add_argument("--ray-address", help="Ray cluster for the repair (default: RAY_ADDRESS, else this machine)")
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")
    add_access(parser)
    parser.set_defaults(run=run, supervise=supervise, takes_overrides=True)


def supervise(options: argparse.Namespace, driver: Callable[[], int]) -> int:
    """Check and mend in a child process: damaged files are what ends native code, and a repair drives Ray."""
    from pasd_batch.batch.exit_code import ExitCode
    from pasd_batch.batch.supervisor import supervised

    command = shown_command(["pasd-batch", *sys.argv[1:]])
    lost = ExitCode.INCOMPLETE if options.repair else ExitCode.CANNOT_START
    return supervised(driver, lost=lost, remedy=f"the run may be damaged; {command} can be given again")


def run(options: argparse.Namespace) -> int:
    """Check the run, and mend it if that is wished."""
    from pasd_batch.batch.repair import Repair
    from pasd_batch.data.run_folder import RunDamaged, RunFolder

    if options.overrides and options.config is None:
        raise UsageError(f"{options.overrides[0]}: overrides need the configuration that they belong to, --config")
    settings = read_config(options) if options.config else None
    access = settings.storage if settings else storage_access(options)
    folder = RunFolder.open(options.uri, access)
    repair = Repair(folder) if options.repair else None
    try:
        run_file = _run_file(folder, settings if options.repair else None)
    except RunDamaged as error:
        sys.stderr.write(printable(f"{error}\n"))
        return EXIT_DAMAGED
    if repair is not None:
        # Before anything is taken out: without settings nothing could be done again.
        settings = _settings(folder, run_file, settings)
    result = _verify(folder, run_file, options, repair)
    sys.stdout.write("\n".join(map(printable_line, result.lines())) + "\n")
    if result.whole:
        return 0
    if repair is None or settings is None:
        sys.stderr.write(printable(f"`pasd-batch verify {redact_uri(options.uri)} --repair` {_remedy(result)}\n"))
        return EXIT_DAMAGED
    return _mend(repair, run_file, settings, result, options)


def _run_file(folder: "RunFolder", settings: RunSettings | None) -> "RunFile":
    """What the run is; with `settings` a lost or damaged `run.json` is made again."""
    from pasd_batch.batch.run_file import read_run
    from pasd_batch.batch.run_file_again import write_run_file_again
    from pasd_batch.data.run_folder import RunDamaged, no_run

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

    from pasd_batch.batch.shard_check import Problem, ProblemKind, ShardFindings
    from pasd_batch.batch.verification import Verifier

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

    from pasd_batch.batch.shard_check import Problem

    with ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "w", newline="", encoding="utf-8", errors="surrogateescape"))
        except OSError as error:
            raise UsageError(f"--output {path}: {error.strerror}; name a file that can be written") from None
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Problem)])
        yield lambda problem: writer.writerow(astuple(problem))


def _mend(
    repair: "Repair",
    run_file: "RunFile",
    settings: RunSettings,
    result: "Verification",
    options: argparse.Namespace,
) -> int:
    from pasd_batch.batch.exit_code import ExitCode
    from pasd_batch.batch.repair import run_again

    left = 0 if options.delete_extra or not result.has_extra else EXIT_DAMAGED
    if not result.mendable:
        return left
    if result.plan_is_wrong:
        repair.take_out_plan(run_file)
    again = ", ".join(f"{count:,} {what}" for what, count in repair.counts.items()) or "the summary"
    sys.stdout.write(f"done again: {again}\n")
    report = run_again(
        repair, run_file, settings, ray_address=options.ray_address, show_progress=not options.no_progress
    )
    done = report.exit_code is ExitCode.DONE
    (sys.stdout if done else sys.stderr).write(printable(f"{report.message}\n"))
    return left if done else report.exit_code


def _settings(folder: "RunFolder", run_file: "RunFile", settings: RunSettings | None) -> RunSettings:
    """The settings that are given, or those in `run.json`, with the run where it is now."""
    from pasd_batch.batch.repair import settings_of_run

    root = folder.storage.uri()
    if settings is None:
        return settings_of_run(run_file, root)
    values = settings.model_dump()
    return RunSettings.parse(values | {"output": values["output"] | {"root": root}})


def _remedy(result: "Verification") -> str:
    mends = "does again what is missing or damaged, and nothing else" if result.mendable else ""
    deletes = "with --delete-extra deletes what belongs to nothing" if result.has_extra else ""
    return "; ".join(part for part in (mends, deletes) if part)
