"""`pasd-batch train CONFIG [key=value ...]`: train a model; the same command resumes it."""

import argparse
import signal
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pasd_batch.cli.archive_options import add_config
from pasd_batch.cli.errors import UsageError
from pasd_batch.cluster.submitted_job import refuse_relative_paths
from pasd_batch.config.training import AnyTraining, load_training
from pasd_batch.storage.redaction import shown_command


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "train",
        help="train PASD, or a VAE for one; the same command resumes",
        description="Begin or resume the training of a configuration file. docs/training.md says how it is used.",
    )
    add_config(parser)
    parser.add_argument("--no-progress", action="store_true", help="no progress bar (log.progress=false)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train to the last step, and say where the model is, or how to go on.

    Raises:
        PasdBatchError: the training cannot start or go on.
    """
    if options.no_progress:
        options.overrides = [*options.overrides, "log.progress=false"]
    settings = load_training(options.config, options.overrides)
    refuse_relative_paths({"output": settings.output})
    # Slow imports, after all that is told without them.
    from pasd_batch.batch.driver.interrupts import Interrupted, signals_as_interrupts
    from pasd_batch.training.trainer import train

    try:
        with _ray(settings, options.ray_address), signals_as_interrupts():
            done = train(settings)
    except Interrupted as interrupt:
        return _interrupted(interrupt.number, options, settings)
    except KeyboardInterrupt:
        return _interrupted(signal.SIGINT, options, settings)
    sys.stdout.write(f"{done:,} steps done; the model is in {settings.output}\n")
    if done < settings.steps:
        sys.stdout.write(f"stopped by stop_after before step {settings.steps:,}; {_command(options)} goes on\n")
    return 0


def _ray(settings: AnyTraining, address: str | None) -> AbstractContextManager[None]:
    from pasd_batch.cluster.session import ray_session

    if settings.workers.ray:
        return ray_session(address)
    if address:
        raise UsageError("--ray-address is given, but workers.ray is false; leave one of them out")
    return nullcontext()


def _interrupted(number: int, options: argparse.Namespace, settings: AnyTraining) -> int:
    sys.stderr.write(
        f"pasd-batch: ended by {signal.Signals(number).name}; {_command(options)} goes on from the last checkpoint in "
        f"{settings.output}\n"
    )
    return 128 + number


def _command(options: argparse.Namespace) -> str:
    address = ["--ray-address", options.ray_address] if options.ray_address else []
    return shown_command(["pasd-batch", "train", options.config, *options.overrides, *address])
