"""`pasd-batch export RUN --to FORMAT TARGET`: a complete run in a format that others read."""

import argparse
import sys
from typing import Any

from pasd_batch.cli.archive_options import add_storage_options, storage_settings_from
from pasd_batch.export.formats import ExportFormat
from pasd_batch.storage.printable import printable_line


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "export",
        help="a run's results as WebDataset, Hugging Face dataset, Lance, Delta Lake, Iceberg or CSV",
        description="Export a complete run. An export that was killed is given again: parts that are there are left, "
        "tables appear with all rows or not at all.",
    )
    parser.add_argument("uri", metavar="RUN", help="the run's output.root")
    parser.add_argument("--to", required=True, choices=[each.value for each in ExportFormat], help="format")
    parser.add_argument("target", metavar="TARGET", help="folder, file (csv), table, or their address in a store")
    parser.add_argument(
        "--images",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="restored photos as a column (default: for webdataset, huggingface and lance)",
    )
    add_storage_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Export, and say how much."""
    from pasd_batch.export.run_export import export_run
    from pasd_batch.storage.storage import redact_uri

    settings = storage_settings_from(options)
    done = export_run(options.uri, ExportFormat(options.to), options.target, settings, images=options.images)
    what = "photos" if done.images else "rows"
    told = f"{done.rows:,} {what} written to {redact_uri(options.target)} ({options.to})"
    if not done.rows:
        told = f"{redact_uri(options.target)} has them all already ({options.to}); nothing written"
    sys.stdout.write(f"{printable_line(told)}\n")
    return 0
