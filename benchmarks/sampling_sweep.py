"""Which sampling settings restore best: every combination of the values given, on the same photos.

    python benchmarks/sampling_sweep.py --photos PHOTOS --output RESULTS --niqe-parameters niqe_modelparameters.mat
    python benchmarks/sampling_sweep.py ... --grid steps=4,8,16 --grid guidance_scale=1,3 --grid alpha_a=0.1,0.5

Prints a table and writes it to `sampling_sweep.md` and `.json`. What was measured is kept under the output folder, so
a finer grid around the best values costs only its new points. Needs `pip install 'pasd-batch[quality]'`.
"""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

from evaluation.measuring import places_of
from evaluation.methods import Pasd
from evaluation.options import add_metric_options, add_model_options, add_photo_options, bench_of, samples_of
from evaluation.photo_sets import PHOTO_SETS
from evaluation.results import as_json, write_json
from evaluation.tables import NOTE, quality_table

DEFAULT_GRID = ("steps=4,8,16", "guidance_scale=1,3")


def main() -> None:
    options = parse_arguments()
    points = grid_points(options.grid or DEFAULT_GRID)
    bench = bench_of(options)
    options.output.mkdir(parents=True, exist_ok=True)
    model = Pasd.load("model", options.model, options.overrides)
    methods = [model.with_sampling(" ".join(point), [f"sampling.{setting}" for setting in point]) for point in points]
    measurements = bench.measure(samples_of(options, options.degraded), methods)
    table = quality_table(measurements, heading="settings")
    text = f"{PHOTO_SETS[options.degraded].title}, measured on {places_of(measurements)}. {NOTE}\n\n{table}\n"
    Path(options.output, f"{options.name}.md").write_text(text)
    write_json(Path(options.output, f"{options.name}.json"), {"sweep": as_json(measurements)}, options)
    print(text)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_photo_options(parser, count=4)
    add_model_options(parser)
    add_metric_options(parser, metrics=["psnr", "fsim", "gmsd", "stlpips", "niqe", "piqe"])
    parser.add_argument("--degraded", choices=list(PHOTO_SETS), default="x4-full")
    parser.add_argument(
        "--grid",
        action="append",
        metavar="SETTING=VALUE,VALUE",
        help=f"values of a sampling setting; may be repeated (default: {' '.join(DEFAULT_GRID)})",
    )
    parser.add_argument("--name", default="sampling_sweep", help="file name of what is written")
    return parser.parse_args()


def grid_points(grid: Sequence[str]) -> list[tuple[str, ...]]:
    """Every combination: `steps=4,8` and `guidance_scale=1,3` give four of (`steps=...`, `guidance_scale=...`).

    Raises:
        SystemExit: an entry is not of the form `SETTING=VALUE,VALUE`.
    """
    axes = []
    for entry in grid:
        setting, separator, values = entry.partition("=")
        if not separator or not setting or not all(values.split(",")):
            raise SystemExit(f"--grid {entry}: write it as SETTING=VALUE,VALUE, such as steps=4,8")
        axes.append([f"{setting}={value}" for value in values.split(",")])
    return list(itertools.product(*axes))


if __name__ == "__main__":
    main()
