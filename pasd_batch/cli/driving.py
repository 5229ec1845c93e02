"""Commands that drive Ray: their work in a child process, its end told, and what resumes it."""

import argparse
import sys
from collections.abc import Callable

from pasd_batch.batch.worker.log_lines import tell
from pasd_batch.config.run import RunSettings
from pasd_batch.errors import PasdBatchError
from pasd_batch.storage.redaction import shown_command


def supervise(_: argparse.Namespace, driver: Callable[[], int]) -> int:
    """Run the driver in a child process, whose end without a word means that photos are left."""
    from pasd_batch.batch.driver.exit_code import ExitCode
    from pasd_batch.batch.driver.supervisor import supervised

    remedy = f"photos without a row may be left; everything committed is safe, {_this_command()} resumes the run"
    return supervised(driver, lost=ExitCode.INCOMPLETE, remedy=remedy)


def drive(settings: RunSettings, options: argparse.Namespace) -> int:
    """Begin or resume a run, say how it ended, and give its exit code.

    Raises:
        PreflightFailed: something is wrong that can be told without Ray.
    """
    from pasd_batch.batch.driver.early_checks import refuse_early
    from pasd_batch.batch.driver.exit_code import ExitCode
    from pasd_batch.batch.driver.on_finish import tell_end
    from pasd_batch.batch.driver.run import run_archive

    try:
        refuse_early(settings, ray_address=options.ray_address)
    except PasdBatchError as error:
        tell_end(settings, ExitCode.CANNOT_START, None, str(error))
        raise
    report = run_archive(
        settings,
        ray_address=options.ray_address,
        show_progress=not options.no_progress and options.log_format == "text",
        resume_command=_this_command(),
    )
    message = f"{report.message}\n{report.hint}" if report.hint else report.message
    tell(message, failed=report.exit_code is not ExitCode.DONE)
    return report.exit_code


def _this_command() -> str:
    return shown_command(["pasd-batch", *sys.argv[1:]])
