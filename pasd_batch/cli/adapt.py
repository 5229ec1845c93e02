"""`pasd-batch adapt EVALUATION --output FILE`: fit a map of adaptation to an evaluation's sweep of settings."""

import argparse
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from pasd_batch.cli.archive_options import add_storage_options, storage_settings_from
from pasd_batch.config.base import ConfigError
from pasd_batch.storage.printable import printable

if TYPE_CHECKING:
    from pasd_batch.evaluation.adaptation_check import GroupCheck

OBJECTIVE = {"psnr": 1.0, "stlpips": -20.0}
"""Weights of metrics: a twentieth of ST-LPIPS is worth a decibel."""

_LEAST_GAP = 0.005
"""Between the best fixed setting and the best of each photo, in the objective's unit."""

_FIRST_WORDS = "# Fitted by `pasd-batch adapt`"


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "adapt",
        help="fit a map from estimates of what is wrong with a photo to settings, for sampling.adapt",
        description="Fit a map of adaptation to a finished evaluation, whose variants differ in settings that adapt, "
        "and print what it is worth for photos that it was not fitted to. docs/adaptation.md says more.",
    )
    objective = [f"{name}={weight:g}" for name, weight in OBJECTIVE.items()]
    parser.add_argument("evaluation", metavar="EVALUATION", help="the evaluation's output")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="YAML file for the map")
    parser.add_argument(
        "--objective",
        nargs="+",
        default=objective,
        metavar="METRIC=WEIGHT",
        help=f"what is to be large: a weighted sum of the evaluation's scores (default: {' '.join(objective)})",
    )
    parser.add_argument(
        "--folds", type=int, default=10, help="parts of the photos that are left out in turn (default %(default)s)"
    )
    parser.add_argument(
        "--losses",
        type=float,
        default=1.0,
        help="how much more losses against the mildest settings count than gains: above 1 for maps that do less harm "
        "(default %(default)g)",
    )
    add_storage_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Fit, write the map, and print the check."""
    import yaml

    from pasd_batch.evaluation.adaptation_check import checks, left_out_choices
    from pasd_batch.evaluation.adaptation_fit import fit_map
    from pasd_batch.evaluation.sweep import read_sweep
    from pasd_batch.manifests.writing import begins_with, refuse_other_file, write_file

    weights, settings = _weights(options.objective), storage_settings_from(options)
    if not 0 <= options.losses < math.inf:
        raise ConfigError(f"--losses {options.losses:g}: give a number from 0 up; above 1 losses count more than gains")
    refuse_other_file(str(options.output), settings, "a map of adaptation", begins_with(_FIRST_WORDS))
    sweep = read_sweep(options.evaluation, weights, settings)
    try:
        chosen = left_out_choices(sweep, options.folds, losses=options.losses)
    except ValueError as error:
        raise ConfigError(f"--folds: {error}") from error
    fitted = fit_map(sweep, losses=options.losses).model_dump(mode="json", exclude_none=True)
    told = f"{_FIRST_WORDS} to {len(sweep.photos)} photos, for {' '.join(options.objective)}.\n"
    text = told + yaml.safe_dump(fitted, sort_keys=False, default_flow_style=None)
    write_file(str(options.output), text.encode(), settings)
    sys.stdout.write(printable("\n".join(table(list(checks(sweep, chosen)), weights))) + "\n\n")
    sys.stdout.write(
        printable(
            f"{options.output}: use it with sampling.adapt=true {quote(f'sampling.adaptation={options.output}')}\n"
        )
    )
    return 0


def _weights(given: list[str]) -> Mapping[str, float]:
    weights = {}
    for each in given:
        name, _, number = each.partition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            raise ConfigError(f"--objective {each}: write METRIC=WEIGHT, such as psnr=1") from None
        if not math.isfinite(weights[name]):
            raise ConfigError(f"--objective {each}: a finite weight is needed, such as psnr=1")
    return weights


def table(groups: list["GroupCheck"], weights: Mapping[str, float]) -> Iterator[str]:
    """Lines of a Markdown table of checks."""
    metrics = [f"{name} {kind}" for name in weights for kind in ("fixed", "adaptive", "best")]
    yield f"| photos | number | gap closed (95 %) | objective fixed | adaptive | best | {' | '.join(metrics)} |"
    yield "|---|" + "---:|" * (5 + len(metrics))
    for each in groups:
        ways = (each.fixed, each.adaptive, each.best)
        cells = [_closed(each), *(f"{way.objective:.2f}" for way in ways)]
        cells += [f"{way.scores[name]:.4g}" for name in weights for way in ways]
        yield f"| {each.name} | {each.photos} | {' | '.join(cells)} |"


def _closed(each: "GroupCheck") -> str:
    """Share of the gap that is closed, with its interval; of a gap that rounds to 0 it would say nothing."""
    if each.best.objective - each.fixed.objective < _LEAST_GAP:
        return "no gap"
    return f"{each.closed:.0%} ({each.low:.0%} to {each.high:.0%})"
