"""Exit codes: how a run ended, as the driver's process tells whoever started it."""

from enum import IntEnum


class ExitCode(IntEnum):
    """End of a run, as the process's exit code."""

    DONE = 0
    """Every photo has its row, and few enough failed."""
    TOO_MANY_FAILURES = 1
    """Every photo has its row, and more than `max_error_rate` failed."""
    CANNOT_START = 2
    """Settings, manifest, models, storage, or a folder that belongs to another run; nothing was done."""
    INCOMPLETE = 3
    """Photos without a row are left: storage, models or Ray were in trouble, or the run's files are damaged."""
    INTERRUPTED = 130
    """Ended by SIGINT; the same command resumes."""
    TERMINATED = 143
    """Ended by SIGTERM; the same command resumes."""
