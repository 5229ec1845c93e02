"""Entry point: one subcommand a module, each imported only when it is called."""

import argparse
import logging
import sys
from collections.abc import Sequence

from pasd_batch import __version__
from pasd_batch.batch.worker.log_lines import LogFormat, log_as
from pasd_batch.cli import (
    adapt,
    audit,
    compare,
    demo,
    describe,
    evaluate,
    export,
    manifest,
    plan,
    report,
    restore,
    results,
    run,
    settings,
    status,
    train,
    verify,
    weights,
)
from pasd_batch.cli.archive_options import add_log_format, take_overrides
from pasd_batch.cli.errors import EXIT_INTERRUPTED, exit_with_message
from pasd_batch.errors import PasdBatchError

_FOR_PHOTOS = (restore, manifest, describe, audit, plan, run, status, results, verify, report, compare, export)
_COMMANDS = (*_FOR_PHOTOS, evaluate, adapt, train, weights, settings, demo)
"""In the order of the help."""


def main(arguments: Sequence[str] | None = None, *, script: str | None = None) -> int:
    """Run a command; the exit code is 0 on success, 1 when photos failed, 2 when nothing could be started.

    `run` and `train` have more, see `pasd_batch.batch.driver.exit_code.ExitCode`. Without `arguments` they are those of
    the process. Then, and for a `script` that does nothing else, commands that drive Ray run in a child process.
    """
    parser = argparse.ArgumentParser(
        prog="pasd-batch",
        description="Restore photos with Pixel-Aware Stable Diffusion, a few of them or an archive.",
    )
    parser.add_argument("--version", action="version", version=f"pasd-batch {__version__}")
    parser.add_argument("--verbose", action="store_true", help="log what is done, photo by photo")
    add_log_format(parser, default="text")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add_command(commands)
    options, left = parser.parse_known_args(arguments)
    if unknown := take_overrides(options, left):
        told = f"unrecognized arguments: {' '.join(unknown)}; pasd-batch {options.command} --help lists all"
        commands.choices[options.command].error(told)
    options.script = script
    log_as(LogFormat(options.log_format), verbose=options.verbose)
    # A dependency of pyiqa that warns about missing quantisation kernels, which nothing here uses.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    supervise = getattr(options, "supervise", None)
    if supervise is not None and (script is not None or arguments is None):
        return supervise(options, lambda: _run(options))
    return _run(options)


def _run(options: argparse.Namespace) -> int:
    try:
        return options.run(options)
    except PasdBatchError as error:
        return exit_with_message(error)
    except KeyboardInterrupt:
        sys.stderr.write("ended by SIGINT\n")
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
