"""`pasd-batch settings [NAME]`: every setting with its default and its meaning."""

import argparse
import sys
from typing import Any

from pasd_batch.cli.errors import UsageError
from pasd_batch.config.listing import REQUIRED, Setting, all_settings
from pasd_batch.config.restore import RestoreSettings
from pasd_batch.config.run import RunSettings

_OF = {"run": RunSettings, "restore": RestoreSettings}


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "settings",
        help="list all settings with their defaults",
        description="List settings: those of runs (CONFIG files and key=value), or those that restore takes by --set. "
        "Where no model is named, the embedded model's own sampling settings go before these defaults.",
    )
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="a setting, a group, or a part of a name")
    parser.add_argument("--of", choices=list(_OF), default="run", help="whose settings (default run)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the settings whose path has the name in it.

    Raises:
        UsageError: there is none.
    """
    found = [each for each in all_settings(_OF[options.of]) if options.name in each.path]
    if not found:
        raise UsageError(f"no setting has {options.name!r} in its name; `pasd-batch settings` lists all")
    # At once, so that a pipe takes it all and `head` may leave early.
    sys.stdout.write("".join(_entry(each) for each in found))
    return 0


def _entry(setting: Setting) -> str:
    default = f"({REQUIRED})" if setting.default == REQUIRED else setting.default
    return f"{setting.path}: {default}".rstrip() + f"\n    {setting.meaning}\n"
