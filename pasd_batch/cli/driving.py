"""Commands that drive Ray: their work in a child process, its end told, and what resumes it."""

import argparse
import sys
from collections.abc import Callable

from pasd_batch.batch.worker.log_lines import log_context, tell
from pasd_batch.config.run import RunSettings
from pasd_batch.storage.redaction import shown_command


def supervise(options: argparse.Namespace, driver: Callable[[], int]) -> int:
    """Run the driver in a child process, whose end without a word means that photos are left."""
    from pasd_batch.batch.driver.exit_code import ExitCode
    from pasd_batch.batch.driver.supervisor import supervised

    remedy = f"photos without a row may be left; everything committed is safe, {this_command(options)} resumes the run"
    return supervised(driver, lost=ExitCode.INCOMPLETE, remedy=remedy)


def drive(settings: RunSettings, options: argparse.Namespace) -> int:
    """Begin or resume a run, say how it ended, and give its exit code."""
    from pasd_batch.batch.driver.exit_code import ExitCode
    from pasd_batch.batch.driver.run import run_archive
    from pasd_batch.batch.driver.run_paths import shown_root

    report = run_archive(
        settings,
        ray_address=options.ray_address,
        show_progress=not options.no_progress and options.log_format == "text",
        resume_command=this_command(options),
    )
    message = f"{report.message}\n{report.hint}" if report.hint else report.message
    with log_context(run=shown_root(settings)):
        tell(message, failed=report.exit_code is not ExitCode.DONE)
    return report.exit_code


def this_command(options: argparse.Namespace) -> str:
    """The command line of this process, which goes on with what it did not end."""
    program = ["python", options.script] if options.script else ["pasd-batch"]
    return shown_command([*program, *sys.argv[1:]])
