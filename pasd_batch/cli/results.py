"""`pasd-batch results RUN... [--latest] -o FILE`: rows of several runs as one Parquet file."""

import argparse
import sys
from typing import Any

from pasd_batch.cli.archive_options import add_storage_options, storage_settings_from
from pasd_batch.storage.printable import printable_line


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "results",
        help="rows of several runs as one file, the latest of each photo",
        description="Write the rows of runs as one Parquet file, with the run in a column. (The rows of one run are in "
        "RUN/results, for any Parquet reader.)",
    )
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="output.root of a run, a folder or prefix of runs, or a glob of them",
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="file to write (.parquet), local or s3://..."
    )
    parser.add_argument("--latest", action="store_true", help="one row for each photo: of the last run that has it")
    add_storage_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the rows and say how many there are."""
    from pasd_batch.runs.latest import write_rows
    from pasd_batch.storage.storage import redact_uri

    written = write_rows(options.runs, options.output, storage_settings_from(options), latest=options.latest)
    what = "photos" if options.latest else "rows"
    told = (
        f"{written.rows:,} {what}, {written.failed:,} failed, of {written.runs:,} runs in {redact_uri(options.output)}"
    )
    sys.stdout.write(f"{printable_line(told)}\n")
    return 0
