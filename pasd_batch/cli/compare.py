"""`pasd-batch compare RUN RUN...`: runs over the same photos side by side, or a run beside plain enlargement."""

import argparse
import operator
import re
import sys
from typing import TYPE_CHECKING, Any

from pasd_batch.cli.archive_options import add_local_folders, add_storage_options, storage_settings_from
from pasd_batch.cli.errors import UsageError
from pasd_batch.storage.location import redact_uri
from pasd_batch.storage.printable import printable

if TYPE_CHECKING:
    from pasd_batch.evaluation.compared_runs import Versus

EXIT_GATE = 1
"""A difference is one that `--fail-if` names."""

_MOST_RUNS = 26
_CONDITION = re.compile(r"\s*([\w.+-]+?)\s*(<=|>=|<|>)\s*([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*")
_OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "compare",
        help="scores and photos of runs side by side",
        description="Compare the scores of each further RUN with those of the first, photo by photo: mean differences "
        "with 95 % intervals (bootstrap over photos), photos won, and those that changed most. A single RUN is "
        "compared with plain enlargement of its photos. Prints Markdown, and writes a page for browsers if asked for. "
        "Ends with 0, with 1 if --fail-if holds, with 2 if the runs cannot be compared.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="output.root of a run")
    parser.add_argument(
        "-o", "--page", metavar="FILE.html", help="also write a page with the photos that changed most, to drag"
    )
    parser.add_argument("--photos", type=int, default=24, metavar="N", help="photos on the page (default 24; 0: none)")
    parser.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="CONDITION",
        dest="conditions",
        help="such as 'musiq_after < -0.5': the mean difference, second less first; may be repeated",
    )
    add_storage_options(parser)
    add_local_folders(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the comparisons and write their page; the exit code says whether a condition holds."""
    from pasd_batch.evaluation.compared_runs import compare
    from pasd_batch.evaluation.comparison_html import to_html
    from pasd_batch.evaluation.comparison_markdown import to_markdown
    from pasd_batch.manifests.writing import refuse_folder, write_file
    from pasd_batch.runs.run_folder import open_run

    conditions = [_parsed(text) for text in options.conditions]
    _check(options)
    settings = storage_settings_from(options)
    if options.page is not None:
        refuse_folder(options.page, settings)
    compared = compare([open_run(uri, settings) for uri in options.runs])
    held = [line for versus in compared.comparisons for condition in conditions for line in _held(versus, *condition)]
    sys.stdout.write(printable(to_markdown(compared)))
    if options.page is not None:
        write_file(options.page, to_html(compared, photos=options.photos).encode(), settings)
        sys.stdout.write(printable(f"\npage: {redact_uri(options.page)}\n"))
    sys.stderr.writelines(f"{line}\n" for line in held)
    return EXIT_GATE if held else 0


def _check(options: argparse.Namespace) -> None:
    if len(options.runs) > _MOST_RUNS:
        raise UsageError(f"{len(options.runs)} runs are more than {_MOST_RUNS}; compare fewer at once")
    if options.photos < 0:
        raise UsageError(f"--photos {options.photos} is below 0; give the number of photos on the page, or 0 for none")
    if options.page is not None and not options.page.endswith((".html", ".htm")):
        raise UsageError(f"--page {options.page!r}: give a file whose name ends in .html")


def _parsed(text: str) -> tuple[str, str, float]:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise UsageError(f"--fail-if {text!r}: write it as 'SCORE < NUMBER', with <, <=, > or >=")
    name, sign, number = match.groups()
    return name, sign, float(number)


def _held(versus: "Versus", name: str, sign: str, number: float) -> list[str]:
    """A line for a condition that holds.

    Raises:
        UsageError: the score is not in both runs, so that nobody could tell.
    """
    changes = {change.column.name: change.difference for change in versus.comparison.changes}
    if name not in changes:
        known = ", ".join(changes) or "none"
        raise UsageError(f"--fail-if: score {name!r} is not in both runs; those that are: {known}")
    mean = changes[name].mean
    if not _OPERATORS[sign](mean, number):
        return []
    first, second = versus.names
    return [f"{second}: {name} differs by {mean:+.4g} from {first}, which is {sign} {number:g}"]
