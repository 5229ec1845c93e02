"""Errors that a person can mend: shown as a message, not as a traceback."""

from pasd_batch.batch.worker.log_lines import tell
from pasd_batch.errors import PasdBatchError

EXIT_FAILED_PHOTOS = 1
"""The command did its work, but some photos could not be restored."""

EXIT_NOT_STARTED = 2
"""Nothing was done: settings, model folders or files are not as they must be."""

EXIT_INTERRUPTED = 130
"""Ended by SIGINT, as shells and `ExitCode.INTERRUPTED` have it."""


class UsageError(PasdBatchError):
    """A command line that cannot be carried out."""


def exit_with_message(error: Exception) -> int:
    """Show an error without a traceback; returns the exit code for a command that was not started."""
    tell(f"pasd-batch: {error}")
    return EXIT_NOT_STARTED
