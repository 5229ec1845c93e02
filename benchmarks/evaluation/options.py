"""Options that the measuring scripts share."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evaluation.measuring import Bench
from evaluation.metrics import METRICS, Judge
from evaluation.photo_sets import PHOTO_SETS, Samples, choose_photos
from evaluation.store import Store


def add_photo_options(parser: argparse.ArgumentParser, *, count: int | None = None) -> None:
    """Which photos, how they are degraded, and where results are kept."""
    parser.add_argument("--photos", required=True, type=Path, metavar="DIR", help="folder of clean photos")
    parser.add_argument("--pattern", default="*", help="only photos whose names fit, such as 'kodak_*'")
    parser.add_argument("--count", type=int, default=count, help=f"how many photos (default: {count or 'all'})")
    parser.add_argument("--crop", type=int, metavar="SIDE", help="only the middle of each photo, so many pixels a side")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of photos, degradations and restorations")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="results, and what is kept for later")


def add_metric_options(parser: argparse.ArgumentParser, *, metrics: Sequence[str]) -> None:
    """Which metrics, and what they read."""
    parser.add_argument(
        "--metrics", nargs="+", default=list(metrics), metavar="NAME", help=f"of {' '.join(METRICS)}; default {metrics}"
    )
    parser.add_argument("--niqe-parameters", type=Path, metavar="FILE", help="niqe_modelparameters.mat, for NIQE")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Which model, and how it restores."""
    parser.add_argument("--model", type=Path, metavar="DIR", help="model folder (default: the embedded model)")
    add_overrides(parser, "a setting of the restorer, such as sampling.steps=8 or model.device=cuda; may be repeated")


def add_overrides(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Settings as `KEY=VALUE`, collected as `overrides`."""
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help=meaning)


def bench_of(options: argparse.Namespace, *, fresh: Sequence[str] = (), timed: int | None = None) -> Bench:
    """Store and metrics that the options name."""
    names = [name for name in METRICS if name in options.metrics]
    names += [name for name in options.metrics if name not in METRICS]  # refused by name
    judge = Judge.build(
        names, weights=options.output.absolute() / "metric_weights", niqe_parameters=options.niqe_parameters
    )
    return Bench(Store(options.output / "results"), judge, tuple(fresh), timed)


def samples_of(options: argparse.Namespace, name: str) -> Samples:
    """The photos that the options name, degraded as the set of this name says.

    Raises:
        SystemExit: no photo, or too few, are there.
    """
    try:
        photos = choose_photos(options.photos, pattern=options.pattern, count=options.count, seed=options.seed)
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(str(error)) from error
    return Samples(photos, PHOTO_SETS[name], options.seed, options.crop)
