"""`pasd-batch weights check CONFIG`: look at its weights; `weights fetch CONFIG --to PLACE`: make a mirror of them."""

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pasd_batch.cli.archive_options import read_config
from pasd_batch.config.base import Settings, load_yaml
from pasd_batch.config.evaluation import EvaluationSettings
from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.config.training import load_training
from pasd_batch.config.weights import WeightsSetting
from pasd_batch.errors import PasdBatchError
from pasd_batch.storage.printable import printable, printable_line

if TYPE_CHECKING:
    from pasd_batch.weights_mirror import Copied

EXIT_MISSING = 1
"""Something that the configuration needs is not where it says."""


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "weights",
        help="check or fetch the weights that a configuration names",
        description="Look at the weights that a configuration names, by folder, hf://OWNER/NAME or address, or copy "
        "all of them to one place. docs/weights.md says how they are named.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser(
        "check",
        help="say what is there, what is missing, and how large it is",
        description="Fetches nothing. Ends with 0 if everything is where the configuration says, 1 if not.",
    )
    fetch = actions.add_parser(
        "fetch",
        help="copy all of them, the metrics' too, to a folder or a prefix of a store",
        description="Copies what is not there yet, and prints the overrides of the configuration that use the copies. "
        "Weights of metrics that metrics.weights_dir lacks are fetched from where their authors publish them. "
        "Ends with 0 if all is there, 1 if something could not be had, which is listed; all else is copied.",
    )
    fetch.add_argument("--to", required=True, metavar="PLACE", help="local folder, or s3://BUCKET/PREFIX ...")
    for action, run in ((check, run_check), (fetch, run_fetch)):
        action.add_argument(
            "config", metavar="CONFIG", help="YAML file of a run, evaluation or training, as in configs/"
        )
        action.add_argument(
            "overrides", nargs="*", default=[], metavar="key=value", help="settings that differ from the file's"
        )
        action.set_defaults(run=run, takes_overrides=True)


def run_check(options: argparse.Namespace) -> int:
    """Say of every setting what its weights are, and whether they are there."""
    from pasd_batch.weights_by_name import used_settings

    settings, code = _read(options), 0
    for setting in used_settings(settings):
        try:
            lines = list(_lines(setting, settings))
        except PasdBatchError as error:
            text = str(error)
            lines = [f"{text if text.startswith(setting.name) else f'{setting.name}: {text}'}"]
            code = EXIT_MISSING
        sys.stdout.writelines(printable_line(line) + "\n" for line in lines)
    return code


def run_fetch(options: argparse.Namespace) -> int:
    """Copy everything, telling of each on the error stream; the overrides are the output."""
    from pasd_batch.weights_by_name import storage_settings_of, used_settings
    from pasd_batch.weights_mirror import Mirror

    settings = _read(options)
    mirror = Mirror.open(options.to, storage_settings_of(settings))
    for setting in used_settings(settings):
        if setting.value is None and setting.mark.otherwise is not None:
            _say(f"{setting.name}: the embedded model, which is in the package")
    failures = mirror.copy_all(settings, _tell)
    sys.stdout.writelines(printable(f"{override}\n") for override in mirror.overrides(settings))
    if failures:
        _say(f"not fetched: {len(failures)}; all else is there, the same command goes on")
        for failure in failures:
            _say(f"- {failure}")
    return EXIT_MISSING if failures else 0


def _read(options: argparse.Namespace) -> Settings:
    """Settings of a run, which has a manifest, of an evaluation, which has sets, or of a training."""
    values = load_yaml(options.config)
    if "manifest" in values:
        return read_config(options)
    if "sets" in values:
        from pasd_batch.evaluation.weights import run_with_weights_of

        return run_with_weights_of(EvaluationSettings.parse(values, source=options.config, overrides=options.overrides))
    return load_training(options.config, options.overrides)


def _tell(copied: "Copied") -> None:
    _say(f"{copied.setting}: {copied.files} files, {_size(copied.bytes)}, from {copied.source}")


def _say(line: str) -> None:
    sys.stderr.write(printable_line(line) + "\n")


def _lines(setting: WeightsSetting, settings: Settings) -> Iterator[str]:
    from pasd_batch.weights_by_name import needed_files, storage_settings_of

    if setting.value is not None:
        source, files = needed_files(setting, storage_settings_of(settings))
        here = "on this machine" if source.is_here(list(files)) else "not fetched to this machine yet"
        yield f"{setting.name}: {source}: {len(files)} files, {_size(sum(files.values()))}, {here}"
    elif isinstance(setting.group, MetricsSettings):
        yield from _metrics_without_folder(setting.group)
    elif setting.mark.otherwise is not None:
        yield f"{setting.name}: the embedded model"


def _metrics_without_folder(settings: MetricsSettings) -> Iterator[str]:
    from pasd_batch.metrics.offline import weight_folders
    from pasd_batch.metrics.weight_files import MetricNeeds
    from pasd_batch.metrics.weights import needed_of
    from pasd_batch.storage.errors import NotFound

    needed = needed_of(settings)
    missing = list(weight_folders(settings).missing(MetricNeeds(tuple(needed))))
    if missing:
        raise NotFound(
            f"metrics.weights_dir: none, and the libraries' own folders lack {', '.join(missing)}; `pasd-batch weights "
            "fetch` makes a folder with all that is needed"
        )
    yield f"metrics.weights_dir: none; {len(needed)} files are in the libraries' own folders"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
