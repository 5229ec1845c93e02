"""`pasd-batch status RUN`: how far a run is and what has failed, read from storage alone."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from typing import Any

from pasd_batch.cli.archive_options import add_storage_options, storage_settings_from
from pasd_batch.storage.printable import printable_line


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "status",
        help="how far a run is and what has failed",
        description="Show how far a run is, its pace, what has failed and what it costs, from its folder alone: at any "
        "moment, from any machine, without Ray. The exit code is 0 whatever has become of the run, and 2 where there "
        "is none.",
    )
    parser.add_argument("uri", metavar="RUN", help="the run's output.root")
    parser.add_argument("--examples", type=int, default=5, metavar="N", help="failed photos to show (default 5)")
    parser.add_argument(
        "--price-per-hour",
        action="append",
        type=price,
        default=[],
        metavar="[TYPE=]PRICE",
        help="price of a worker's hour, or of one on nodes of a type; repeat for several (default: the run's own)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    add_storage_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the status."""
    from pasd_batch.runs.status import read_status

    prices = prices_of(options.price_per_hour)
    status = read_status(options.uri, storage_settings_from(options), examples=options.examples, prices=prices)
    if options.json:
        sys.stdout.write(json.dumps(status.values(), indent=2) + "\n")
        return 0
    sys.stdout.writelines(f"{printable_line(line)}\n" for line in status.lines())
    return 0


def price(text: str) -> tuple[str, float]:
    """A type of node (empty: any) and its price."""
    name, _, number = text.rpartition("=")
    if (value := float(number)) < 0.0 or not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{number}: a price is 0 or more")
    return name, value


def prices_of(given: Sequence[tuple[str, float]]) -> dict[str, float] | None:
    """Prices by type of node, as `workers.price_per_hour` has them; None if none is given."""
    from pasd_batch.runs.cost import OTHER_TYPES

    return {name or OTHER_TYPES: value for name, value in given} or None
