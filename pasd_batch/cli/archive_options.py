"""Options that the commands for archives share: a configuration file with overrides, and access to storage."""

import argparse
import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pasd_batch.config.base import load_yaml
from pasd_batch.config.run import RunSettings
from pasd_batch.config.storage import DEFAULT_SCHEMES, StorageSettings


def add_config(parser: argparse.ArgumentParser) -> None:
    """A configuration file and overrides, and what `add_driving` adds."""
    parser.add_argument("config", metavar="CONFIG", help="YAML file, such as those in configs/")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="key=value", help="settings that differ from the file's"
    )
    add_driving(parser)


def add_driving(parser: argparse.ArgumentParser) -> None:
    """The Ray cluster to use and the format of log lines, for commands with overrides."""
    parser.add_argument("--ray-address", help="Ray cluster (default: RAY_ADDRESS, else a Ray of this machine)")
    add_log_format(parser, default=argparse.SUPPRESS)  # what stands before the command holds
    parser.set_defaults(takes_overrides=True)


def add_log_format(parser: argparse.ArgumentParser, *, default: str) -> None:
    """The format of log lines."""
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        default=default,
        help="json: a JSON object a line, each with run, shard, photo and worker, of workers too (default: text)",
    )


def take_overrides(options: argparse.Namespace, left: Sequence[str]) -> list[str]:
    """Add to the overrides those that stand behind options, where argparse leaves them; returns what is none."""
    if not getattr(options, "takes_overrides", False):
        return list(left)
    unknown = [argument for argument in left if argument.startswith("-") or "=" not in argument]
    if not unknown:
        options.overrides = [*options.overrides, *left]
    return unknown


def read_config(
    options: argparse.Namespace,
    own: Mapping[str, str] = MappingProxyType({}),
    without_file: Mapping[str, Any] = MappingProxyType({}),
) -> RunSettings:
    """The run's settings: those of the file, else `without_file`, then a command's `own`, then the overrides.

    Raises:
        ConfigError: naming every setting that is wrong.
    """
    values = load_yaml(options.config) if options.config else without_file
    said = [*(f"{name}={value}" for name, value in own.items()), *options.overrides]
    return RunSettings.parse(values, source=options.config or "command line", overrides=said)


def add_storage_options(parser: argparse.ArgumentParser) -> None:
    """Storage settings: what may be opened."""
    parser.add_argument(
        "--scheme",
        action="append",
        dest="schemes",
        metavar="NAME",
        help=f"URI scheme that may be opened; repeat for several (default: {', '.join(sorted(DEFAULT_SCHEMES))})",
    )
    parser.add_argument(
        "--host",
        action="append",
        dest="hosts",
        default=[],
        metavar="NAME",
        help="host, address or network that http and https may reach though it is not public; repeat for several",
    )


def add_local_folders(parser: argparse.ArgumentParser) -> None:
    """Local folders of photos, for commands that show photos of runs elsewhere."""
    parser.add_argument(
        "--folder",
        action="append",
        dest="folders",
        default=[],
        metavar="PATH",
        help="local folder whose photos may be opened for a run on S3; repeat for several",
    )


def storage_settings_from(options: argparse.Namespace) -> StorageSettings:
    """Access to storage as the command line allows it.

    Raises:
        ConfigError: a host or a folder is not written as one.
    """
    values = {
        "allowed_schemes": options.schemes or DEFAULT_SCHEMES,
        "allowed_hosts": options.hosts,
        "allowed_folders": [os.path.abspath(os.path.expanduser(each)) for each in getattr(options, "folders", [])],
    }
    return StorageSettings.parse(values, source="command line")
