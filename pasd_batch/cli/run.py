"""`pasd-batch run CONFIG [key=value ...]`: restore an archive; the same command resumes it."""

import argparse
from typing import Any

from pasd_batch.cli.archive_options import add_config, read_config
from pasd_batch.cli.driving import drive, supervise


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


def run(options: argparse.Namespace) -> int:
    """Run to the end, and say how it ended."""
    return drive(read_config(options), options)
