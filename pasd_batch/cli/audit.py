"""`pasd-batch audit SOURCE -o DIR`: what is wrong with the photos of a dataset; resumable like a run."""

import argparse
from typing import Any

from pasd_batch.cli.driving import drive, supervise
from pasd_batch.config.base import load_yaml, with_overrides
from pasd_batch.config.run import RunSettings

_WITHOUT_FILE = {"shard_size": 256, "metrics": {"no_reference": [], "full_reference": []}}
"""Settings where no CONFIG is given: none of pyiqa's metrics, which take longer than all measures together."""


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "audit",
        help="find what is wrong with the photos of a dataset",
        description="Measure the photos of a folder or manifest: noise, blur, compression, exposure, colours, borders, "
        "duplicates, files that cannot be read. Needs no weights. The same command resumes. docs/audit.md says what is "
        "written.",
    )
    parser.add_argument("source", metavar="SOURCE", help="folder, prefix, glob or manifest of photos")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that differ from those in CONFIG")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder or prefix of the audit")
    parser.add_argument("--config", metavar="CONFIG", help="YAML file, such as configs/audit.yaml")
    parser.add_argument("--ray-address", help="Ray cluster (default: RAY_ADDRESS, else a Ray of this machine)")
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")
    parser.set_defaults(run=run, supervise=supervise, takes_overrides=True)


def run(options: argparse.Namespace) -> int:
    """Audit to the end, and say how it ended."""
    return drive(_settings(options), options)


def _settings(options: argparse.Namespace) -> RunSettings:
    """The settings of CONFIG, with what the command line says."""
    own = {"mode": "audit", "manifest.path": options.source, "output.root": options.output}
    values = load_yaml(options.config) if options.config else _WITHOUT_FILE
    said = [*(f"{name}={value}" for name, value in own.items()), *options.overrides]
    return RunSettings.parse(with_overrides(values, said, RunSettings), source=options.config or "command line")
