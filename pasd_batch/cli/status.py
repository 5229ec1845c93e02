"""`pasd-batch status RUN`: how far a run is and what has failed, read from storage alone."""

import argparse
import sys
from typing import Any

from pasd_batch.cli.archive_options import add_storage_options, storage_settings_from
from pasd_batch.storage.printable import printable_line


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser("status", help="how far a run is and what has failed")
    parser.add_argument("uri", metavar="RUN", help="the run's output.root")
    parser.add_argument("--examples", type=int, default=5, metavar="N", help="failed photos to show (default 5)")
    add_storage_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the status."""
    from pasd_batch.runs.status import read_status

    status = read_status(options.uri, storage_settings_from(options), examples=options.examples)
    sys.stdout.writelines(f"{printable_line(line)}\n" for line in status.lines())
    return 0
