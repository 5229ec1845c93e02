"""What the adjustable noise schedule trades: fidelity and perception along values of alpha_a.

    python benchmarks/noise_level.py --photos PHOTOS --output RESULTS --niqe-parameters niqe_modelparameters.mat

alpha_a near 1 keeps more of the photo, near 0 generates more: PSNR should fall and NIQE get better towards 0. The
values are equal steps of its square root, which is what the photo's latent is multiplied by. Writes `noise_level.md`,
`.csv`, `.json` and a plot `.png`. Needs `pip install 'pasd-batch[quality]'`; pyiqa's licence is non-commercial.
"""

import argparse
import csv
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from evaluation.intervals import Interval
from evaluation.measuring import Measurement
from evaluation.methods import Pasd
from evaluation.metrics import METRICS, MetricColumn
from evaluation.options import add_metric_options, add_model_options, add_photo_options, bench_of, samples_of
from evaluation.photo_sets import PHOTO_SETS
from evaluation.results import as_json, write_json
from evaluation.tables import NOTE, columns_of, means, quality_table, title

ALPHAS = (0.0, 0.04, 0.16, 0.36, 0.64, 1.0)
_LEFT, _RIGHT = "psnr", "niqe"


def main() -> None:
    options = parse_arguments()
    bench = bench_of(options)
    options.output.mkdir(parents=True, exist_ok=True)
    model = Pasd.load("model", options.model, options.overrides)
    methods = [at_noise_level(model, alpha) for alpha in sorted(options.alpha_a)]
    measurements = bench.measure(samples_of(options, options.degraded), methods)
    summary = {float(name): row for name, row in means(measurements).items()}
    text = "\n\n".join([NOTE, quality_table(measurements, heading="alpha_a"), *trends(summary, measurements)]) + "\n"
    target = options.output / options.name
    target.with_suffix(".md").write_text(text)
    write_csv(target.with_suffix(".csv"), summary)
    write_json(target.with_suffix(".json"), {"alpha_a": as_json(measurements)}, options)
    plot(target.with_suffix(".png"), summary, f"{PHOTO_SETS[options.degraded].title}, {options.count} photos")
    print(text)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_photo_options(parser, count=6)
    add_model_options(parser)
    add_metric_options(parser, metrics=[_LEFT, "stlpips", _RIGHT])
    parser.add_argument("--degraded", choices=list(PHOTO_SETS), default="x4-full")
    parser.add_argument("--alpha-a", type=float, nargs="+", default=list(ALPHAS), help="values from 0 to 1")
    parser.add_argument("--name", default="noise_level", help="file name of what is written")
    options = parser.parse_args()
    if missing := {_LEFT, _RIGHT} - set(options.metrics):
        parser.error(f"the plot shows {_LEFT} and {_RIGHT}; add {', '.join(sorted(missing))} to --metrics")
    return options


def at_noise_level(model: Pasd, alpha: float) -> Pasd:
    """The model with this alpha_a, whichever way its noise level is set otherwise."""
    return model.with_sampling(
        f"{alpha:g}",
        [f"sampling.alpha_a={alpha}", "sampling.added_noise_level=null", "sampling.pure_noise_start=false"],
    )


def trends(summary: Mapping[float, Mapping[str, Interval | None]], measurements: Sequence[Measurement]) -> list[str]:
    """A line for each metric: whether its mean goes one way along the values of alpha_a."""
    lines = []
    for column in columns_of(measurements)[:-1]:
        found = [interval.mean for alpha in sorted(summary) if (interval := summary[alpha][column.name]) is not None]
        lines.append(f"- {title(column)} towards larger alpha_a: {trend(found)}")
    return ["\n".join(lines)]


def trend(values: Sequence[float]) -> str:
    """In words: rises or falls at every step, or from first to last only."""
    steps = [later - earlier for earlier, later in itertools.pairwise(values)]
    if not steps:
        return "too few values"
    if all(step > 0 for step in steps):
        return "rises at every step"
    if all(step < 0 for step in steps):
        return "falls at every step"
    whole = values[-1] - values[0]
    return f"{'rises' if whole > 0 else 'falls'} by {abs(whole):.3g} in all, but not at every step"


def write_csv(path: Path, summary: Mapping[float, Mapping[str, Interval | None]]) -> None:
    """One line for each value and metric."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["alpha_a", "metric", "mean", "low", "high"])
        for alpha, row in sorted(summary.items()):
            for name, interval in row.items():
                numbers = ("", "", "") if interval is None else (interval.mean, interval.low, interval.high)
                writer.writerow([alpha, name, *numbers])


def plot(path: Path, summary: Mapping[float, Mapping[str, Interval | None]], heading: str) -> None:
    """PSNR on the left axis and NIQE on the right, against alpha_a."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    left = figure.subplots()
    right = left.twinx()
    for axis, name, color in ((left, _LEFT, "tab:blue"), (right, _RIGHT, "tab:red")):
        column: MetricColumn = METRICS[name]
        points = [(alpha, row[name]) for alpha, row in sorted(summary.items())]
        known = [(alpha, interval.mean) for alpha, interval in points if interval is not None]
        axis.plot([alpha for alpha, _ in known], [mean for _, mean in known], "o-", color=color)
        axis.set_ylabel(title(column), color=color)
        axis.tick_params(axis="y", labelcolor=color)
    left.set_xlabel("alpha_a (square-root scale): more generated on the left, more of the photo kept on the right")
    left.set_xscale("function", functions=(lambda x: abs(x) ** 0.5, lambda x: x**2))
    left.set_xticks(sorted(summary), [f"{alpha:g}" for alpha in sorted(summary)])
    left.set_title(heading, fontsize=10)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
