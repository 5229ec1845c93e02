"""`pasd-batch audit SOURCE -o DIR`: what is wrong with the photos of a dataset; resumable like a run."""

import argparse
import ast
import os
import sys
from typing import Any

from pasd_batch.cli.archive_options import add_driving, read_config
from pasd_batch.cli.driving import drive, supervise
from pasd_batch.cli.errors import UsageError
from pasd_batch.config.base import load_yaml
from pasd_batch.config.run import RunSettings
from pasd_batch.config.storage import StorageSettings
from pasd_batch.storage.printable import printable
from pasd_batch.storage.redaction import redact_uri

_WITHOUT_FILE = {
    "shard_size": 256,
    "max_error_rate": 1.0,
    "metrics": {"no_reference": [], "full_reference": []},
}
"""Settings where no CONFIG is given. Files that cannot be read are what an audit looks for, and pyiqa's metrics take
longer than all measures together."""


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "audit",
        help="find what is wrong with the photos of a dataset",
        description="Measure the photos of a folder or manifest: noise, blur, compression, exposure, colours, borders, "
        "duplicates, files that cannot be read. Needs no weights. The same command resumes. docs/audit.md says what is "
        "written.",
    )
    parser.add_argument(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="folder, prefix, glob or manifest of photos; with --select it may be left out when DIR is complete",
    )
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="key=value", help="settings that differ from those in CONFIG"
    )
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder or prefix of the audit")
    parser.add_argument("--config", metavar="CONFIG", help="YAML file, such as configs/audit.yaml")
    parser.add_argument(
        "--select",
        metavar="CONDITION",
        help='write a manifest of the photos that pass, such as "blur < 2 and not dark"',
    )
    parser.add_argument("--selected", metavar="FILE", help="that manifest (default: DIR.selected.parquet, beside DIR)")
    add_driving(parser)
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")
    parser.set_defaults(run=run, supervise=supervise)


def run(options: argparse.Namespace) -> int:
    """Audit to the end, say how it ended, and write the photos that are selected."""
    from pasd_batch.audit.selection import refuse_target
    from pasd_batch.batch.driver.exit_code import ExitCode

    if options.source is None and options.select is None:
        raise UsageError("name a SOURCE of photos to audit, or --select CONDITION of photos that are audited")
    if options.selected is not None and options.select is None:
        raise UsageError("--selected names the manifest of --select CONDITION; give that, too")
    condition = _condition(options)
    if options.source is None:
        values = load_yaml(options.config) if options.config else {}
        _select(options, condition, StorageSettings.parse(values.get("storage", {}), source=options.config))
        return ExitCode.DONE
    settings = _settings(options)
    _refuse_unknown_names(condition, settings)
    if condition is not None:
        refuse_target(_target(options), settings.storage)
    code = drive(settings, options)
    if code in (ExitCode.DONE, ExitCode.TOO_MANY_FAILURES):
        _select(options, condition, settings.storage)
    return code


def _settings(options: argparse.Namespace) -> RunSettings:
    """The settings of CONFIG, with what the command line says."""
    own = {"mode": "audit", "manifest.path": options.source, "output.root": options.output}
    return read_config(options, own, _WITHOUT_FILE)


def _condition(options: argparse.Namespace) -> ast.expr | None:
    from pasd_batch.audit.conditions import parse_condition
    from pasd_batch.manifests.writing import refuse_other_formats

    if options.select is None:
        return None
    refuse_other_formats(_target(options))
    return parse_condition(options.select)


def _refuse_unknown_names(condition: ast.expr | None, settings: RunSettings) -> None:
    """Find slips of the keys before hours of work, where no manifest brings columns of its own."""
    from pasd_batch.audit.columns import NAMES
    from pasd_batch.audit.conditions import refuse_unknown
    from pasd_batch.manifests.pieces import is_image_source

    if condition is not None and is_image_source(settings.manifest, settings.storage):
        refuse_unknown(condition, [*NAMES, *settings.metrics.no_reference, *settings.metrics.full_reference])


def _select(options: argparse.Namespace, condition: ast.expr | None, storage_settings: StorageSettings) -> None:
    from pasd_batch.audit.selection import write_selection
    from pasd_batch.runs.run_folder import open_run

    if condition is None:
        return
    photos = write_selection(open_run(options.output, storage_settings), condition, _target(options))
    place = redact_uri(_target(options))
    told = (
        f"{photos:,} photos pass: {place}"
        if photos
        else f"no photo passes; {place} is {_left(options, storage_settings)}"
    )
    sys.stdout.write(printable(f"{told}\n"))


def _left(options: argparse.Namespace, storage_settings: StorageSettings) -> str:
    from pasd_batch.manifests.writing import is_there

    return "empty now" if is_there(_target(options), storage_settings) else "not written"


def _target(options: argparse.Namespace) -> str:
    """Place of the manifest: what is said, or beside the audit, which holds no addresses with secrets."""
    place = (
        options.output.rstrip("/") if "://" in options.output else os.path.abspath(os.path.expanduser(options.output))
    )
    return options.selected or f"{place}.selected.parquet"
