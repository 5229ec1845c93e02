"""`pasd-batch report RUN`: a page of photos, scores and failures of what a run has done so far."""

import argparse
import sys
from typing import Any

from pasd_batch.cli.archive_options import add_local_folders, add_storage_options, storage_settings_from
from pasd_batch.cli.errors import UsageError


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "report",
        help="report page of a run",
        description="Write RUN/report/ from what is committed so far: index.html, summary.md and a contact sheet.",
    )
    parser.add_argument("uri", metavar="RUN", help="the run's output.root")
    parser.add_argument(
        "--photos", type=int, default=60, metavar="N", help="photos on the page, 0: none and no sheet (default 60)"
    )
    add_storage_options(parser)
    add_local_folders(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the report and say where it is."""
    from pasd_batch.report.run_report import write_report

    if options.photos < 0:
        raise UsageError(f"--photos {options.photos} is below 0; give the number of photos on the page, or 0 for none")
    for uri in write_report(options.uri, storage_settings_from(options), photos=options.photos):
        sys.stdout.write(f"{uri}\n")
    return 0
