"""`pasd-batch describe MANIFEST -o FILE`: a manifest with prompts from what is in the photos; resumable like a run."""

import argparse
from typing import Any

from pasd_batch.cli.archive_options import add_driving, read_config
from pasd_batch.cli.driving import drive, supervise
from pasd_batch.cli.errors import UsageError
from pasd_batch.config.run import RunSettings

_DESCRIBERS = {"caption": "BLIP or Florence-2", "detect": "RT-DETR, D-FINE or YOLOS", "classify": "ResNet or the like"}


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "describe",
        help="write a manifest with prompts from what is in the photos",
        description="Look at the photos of a manifest once, and write one with prompts: for runs over it, and for "
        "people who correct it. The same command resumes. docs/operations.md lists the exit codes.",
    )
    parser.add_argument("manifest", metavar="MANIFEST", help="manifest, folder, prefix or glob of photos")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="key=value", help="settings that differ from those in CONFIG"
    )
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="manifest to write (.parquet)")
    parser.add_argument("--config", metavar="CONFIG", help="YAML file with describers, such as configs/describe.yaml")
    for name, what in _DESCRIBERS.items():
        parser.add_argument(f"--{name}", metavar="WEIGHTS", help=f"weights of the {name} describer ({what})")
    parser.add_argument(
        "--run", dest="root", metavar="RUN", help="folder or prefix of the work, which is kept (default: FILE.run)"
    )
    add_driving(parser)
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")
    parser.set_defaults(run=run, supervise=supervise)


def run(options: argparse.Namespace) -> int:
    """Describe to the end, and say how it ended and where the manifest is."""
    return drive(_settings(options), options)


def _settings(options: argparse.Namespace) -> RunSettings:
    """The settings of CONFIG, with what the command line says."""
    describers = {
        f"restoration.describe.{name}.weights": given for name in _DESCRIBERS if (given := vars(options)[name])
    }
    if not describers and options.config is None:
        raise UsageError("nothing would describe the photos; give --caption, --detect or --classify, or --config")
    # `FILE.run`: beside the manifest, so that the same command finds it.
    own = {
        "mode": "describe",
        "manifest.path": options.manifest,
        "output.manifest": options.output,
        "output.root": options.root or f"{options.output}.run",
    }
    return read_config(options, own | describers)
