"""`pasd-batch evaluate CONFIG [key=value ...]`: restore test sets, score them as the field does, and compare."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from pasd_batch.batch.worker.log_lines import tell
from pasd_batch.cli.archive_options import add_config
from pasd_batch.cli.driving import this_command
from pasd_batch.cluster.submitted_job import refuse_relative_paths
from pasd_batch.config.base import load_yaml
from pasd_batch.config.evaluation import EvaluationSettings
from pasd_batch.storage.printable import printable


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "evaluate",
        help="restore test sets and score the results beside published ones; the same command resumes",
        description="Restore test sets, pairs of degraded and true photos, with every variant of a configuration, each "
        "in a run of its own, score the results by a protocol, and print the table beside the rows that others have "
        "published. Pages, CSV and JSON go to report/ below its output. The exit codes are those of `run`; "
        "docs/evaluation.md says more.",
    )
    add_config(parser)
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")
    parser.set_defaults(run=run, supervise=supervise)


def supervise(options: argparse.Namespace, driver: Callable[[], int]) -> int:
    """Run the evaluation in a child process, whose end without a word means that work is left."""
    from pasd_batch.batch.driver.exit_code import ExitCode
    from pasd_batch.batch.driver.supervisor import supervised

    remedy = f"work may be left; everything done is kept, {this_command(options)} goes on"
    return supervised(driver, lost=ExitCode.INCOMPLETE, remedy=remedy)


def run(options: argparse.Namespace) -> int:
    """Evaluate to the end, and print the tables."""
    settings = EvaluationSettings.parse(load_yaml(options.config), source=options.config, overrides=options.overrides)
    refuse_relative_paths({"output": settings.output})
    # Slow imports, after all that is told without them.
    from pasd_batch.evaluation.evaluate import evaluate
    from pasd_batch.evaluation.pages import to_markdown

    report = evaluate(
        settings,
        ray_address=options.ray_address,
        show_progress=not options.no_progress and options.log_format == "text",
        resume_command=this_command(options),
    )
    if report.outcome is not None:
        sys.stdout.write(printable(to_markdown(report.outcome)) + "\n")
    tell(report.message, failed=report.outcome is None)
    return report.exit_code
