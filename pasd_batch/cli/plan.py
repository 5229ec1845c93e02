"""`pasd-batch plan CONFIG`: check everything a run needs and say what it would do, without doing it."""

import argparse
from collections.abc import Callable
from typing import Any

from pasd_batch.batch.worker.log_lines import log_context, tell
from pasd_batch.cli.archive_options import add_config, read_config


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "plan",
        help="check a run and say what it would do",
        description="Check manifest, storage, models and metrics of a configuration, and count its photos and tiles.",
    )
    add_config(parser)
    parser.add_argument(
        "--sample",
        type=_photos,
        default=0,
        metavar="N",
        help="estimate the time, with an interval, from N photos drawn by size that a worker does now",
    )
    parser.set_defaults(run=run, supervise=supervise)


def supervise(_: argparse.Namespace, driver: Callable[[], int]) -> int:
    """Plan in a child process, whose end without a word means that nothing is known."""
    from pasd_batch.batch.driver.exit_code import ExitCode
    from pasd_batch.batch.driver.supervisor import supervised

    return supervised(driver, lost=ExitCode.CANNOT_START, remedy="nothing was begun; try again")


def run(options: argparse.Namespace) -> int:
    """Report what a run would do; all problems come in one message, with exit code 2."""
    from pasd_batch.batch.driver.dry_run import plan_archive
    from pasd_batch.batch.driver.early_checks import refuse_early
    from pasd_batch.batch.driver.run_paths import shown_root
    from pasd_batch.batch.planning.only_new import NothingNew

    settings = read_config(options)
    with log_context(run=shown_root(settings)):
        try:
            refuse_early(settings, ray_address=options.ray_address)
        except NothingNew as nothing:
            tell(str(nothing), failed=False)
            return 0
        report = plan_archive(settings, ray_address=options.ray_address, sample=options.sample)
        tell(report.message, failed=report.exit_code != 0)
        return report.exit_code


def _photos(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} photos: give 1 or more; 12 tell much, 30 more")
    return number
