"""`pasd-batch run CONFIG [key=value ...]`: restore an archive; the same command resumes it."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from pasd_batch.cli.archive_options import add_config, read_config
from pasd_batch.storage.printable import printable
from pasd_batch.storage.redaction import shown_command


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "run",
        help="restore and score an archive; the same command resumes",
        description="Begin or resume the run of a configuration file. docs/operations.md lists the exit codes.",
    )
    add_config(parser)
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")
    parser.set_defaults(run=run, supervise=supervise)


def supervise(_: argparse.Namespace, driver: Callable[[], int]) -> int:
    """Run the driver in a child process, whose end without a word means that photos are left."""
    from pasd_batch.batch.driver.exit_code import ExitCode
    from pasd_batch.batch.driver.supervisor import supervised

    remedy = f"photos without a row may be left; everything committed is safe, {_this_command()} resumes the run"
    return supervised(driver, lost=ExitCode.INCOMPLETE, remedy=remedy)


def run(options: argparse.Namespace) -> int:
    """Run to the end, and say how it ended."""
    from pasd_batch.batch.driver.exit_code import ExitCode
    from pasd_batch.batch.driver.run import run_archive

    settings = read_config(options)
    report = run_archive(
        settings,
        ray_address=options.ray_address,
        show_progress=not options.no_progress,
        resume_command=_this_command(),
    )
    stream = sys.stdout if report.exit_code is ExitCode.DONE else sys.stderr
    stream.write(printable(f"{report.message}\n"))
    return report.exit_code


def _this_command() -> str:
    return shown_command(["pasd-batch", *sys.argv[1:]])
