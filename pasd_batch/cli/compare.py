"""`pasd-batch compare RUN RUN...`: runs over the same photos side by side, or a run beside plain enlargement."""

import argparse
import operator
import re
import sys
from typing import TYPE_CHECKING, Any

from pasd_batch.cli.archive_options import add_storage_options, storage_settings_from
from pasd_batch.cli.errors import UsageError

if TYPE_CHECKING:
    from pasd_batch.evaluation.comparison import Comparison

EXIT_GATE = 1
"""A difference is one that `--fail-if` names."""

_CONDITION = re.compile(r"\s*([\w.+-]+?)\s*(<=|>=|<|>)\s*([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*")
_OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "compare",
        help="scores of runs side by side, photo by photo",
        description="Compare the scores of each further RUN with those of the first, photo by photo: mean differences "
        "with 95 %% intervals (bootstrap over photos), photos won, and those that changed most. A single RUN is "
        "compared with plain enlargement of its photos. Prints Markdown. Ends with 0, with 1 if --fail-if holds, "
        "with 2 if the runs cannot be compared.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="output.root of a run")
    parser.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="CONDITION",
        dest="conditions",
        help="such as 'musiq_after < -0.5': the mean difference, second less first; may be repeated",
    )
    add_storage_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the comparisons; the exit code says whether a condition holds."""
    from pasd_batch.evaluation.comparison import compare_runs, compare_with_baseline
    from pasd_batch.evaluation.comparison_page import to_markdown
    from pasd_batch.runs.run_folder import open_run

    conditions = [_parsed(text) for text in options.conditions]
    first, *others = [open_run(uri, storage_settings_from(options)) for uri in options.runs]
    comparisons = [compare_runs(first, other) for other in others] or [compare_with_baseline(first)]
    sys.stdout.write("\n".join(to_markdown(comparison) for comparison in comparisons))
    held = [line for comparison in comparisons for condition in conditions for line in _held(comparison, *condition)]
    sys.stderr.writelines(f"{line}\n" for line in held)
    return EXIT_GATE if held else 0


def _parsed(text: str) -> tuple[str, str, float]:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise UsageError(f"--fail-if {text!r}: write it as 'SCORE < NUMBER', with <, <=, > or >=")
    name, sign, number = match.groups()
    return name, sign, float(number)


def _held(comparison: "Comparison", name: str, sign: str, number: float) -> list[str]:
    """A line for a condition that holds.

    Raises:
        UsageError: the score is not in both runs, so that nobody could tell.
    """
    changes = {change.name: change.difference for change in comparison.changes}
    if name not in changes:
        known = ", ".join(changes) or "none"
        raise UsageError(f"--fail-if: score {name!r} is not in both runs; those that are: {known}")
    mean = changes[name].mean
    if not _OPERATORS[sign](mean, number):
        return []
    return [f"{comparison.second}: {name} differs by {mean:+.4g} from {comparison.first}, which is {sign} {number:g}"]
