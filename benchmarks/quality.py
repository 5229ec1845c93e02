"""How well photos are restored: PASD against Lanczos resampling and Real-ESRGAN, on clean photos degraded by seed.

    python benchmarks/quality.py --photos PHOTOS --output RESULTS --niqe-parameters niqe_modelparameters.mat
    python benchmarks/quality.py --photos PHOTOS --output RESULTS --sets x4-full --count 12 --metrics psnr stlpips piqe

Writes `quality.md` (a table for each test set), `quality.json` (every photo's values) and a contact sheet for each
test set. What was restored and scored is kept under the output folder: measuring another model, more photos or more
metrics does only what is new (after a change of the restorer itself: `--fresh pasd`). Needs `pip install
'pasd-batch[quality]'`; pyiqa's licence is non-commercial.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evaluation.measuring import Bench, Measurement, places_of
from evaluation.methods import Lanczos, Method, Pasd
from evaluation.metrics import METRICS
from evaluation.options import add_metric_options, add_model_options, add_photo_options, bench_of, samples_of
from evaluation.photo_sets import PHOTO_SETS, PhotoSet
from evaluation.real_esrgan import RealEsrgan
from evaluation.results import as_json, write_json
from evaluation.sheet_rows import CELL, choose_rows, sheet_row
from evaluation.store import DEGRADED, ORIGINAL, Store
from evaluation.tables import difference_table, quality_table

from pasd_batch.evaluation.tables import DIFFERENCE_NOTE, NOTE
from pasd_batch.metrics.periodic_pattern import GRID_BOUND
from pasd_batch.report.render import SheetPhoto, contact_sheet

GRID_NOTE = (
    "Grid: how much repeats every 8 pixels, against the clean photo; it shall be at most "
    f"{GRID_BOUND}, more is marked 'above'."
)


def main() -> None:
    options = parse_arguments()
    bench = bench_of(options, fresh=options.fresh, timed=options.time)
    options.output.mkdir(parents=True, exist_ok=True)
    methods = build_methods(options)
    parts = {name: measure_set(bench, methods, PHOTO_SETS[name], options) for name in options.sets}
    pages = [page(PHOTO_SETS[name], measurements, options) for name, measurements in parts.items()]
    text = "\n\n".join([f"{NOTE} {GRID_NOTE}", *pages]) + "\n"
    Path(options.output, f"{options.name}.md").write_text(text)
    results = {"sets": {name: as_json(measurements) for name, measurements in parts.items()}}
    write_json(Path(options.output, f"{options.name}.json"), results, options)
    print(text)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_photo_options(parser)
    add_model_options(parser)
    add_metric_options(parser, metrics=list(METRICS))
    parser.add_argument("--sets", nargs="+", choices=list(PHOTO_SETS), default=list(PHOTO_SETS))
    parser.add_argument(
        "--without", nargs="+", choices=["lanczos", "real-esrgan", "pasd"], default=[], help="methods that are left out"
    )
    parser.add_argument(
        "--fresh", nargs="+", default=[], choices=["lanczos", "real-esrgan", "pasd"], help="methods that are done again"
    )
    parser.add_argument(
        "--time", type=int, metavar="N", help="restore N photos of each set again, for seconds on an idle machine"
    )
    parser.add_argument("--label", default="pasd-tiny", help="what tables and sheets call the model")
    parser.add_argument("--name", default="quality", help="file name of tables and sheets")
    parser.add_argument("--sheet-rows", type=int, default=4, help="photos on each contact sheet")
    return parser.parse_args()


def build_methods(options: argparse.Namespace) -> list[Method]:
    """The methods that are compared; ours comes last."""
    methods: list[Method] = [] if "lanczos" in options.without else [Lanczos()]
    if "real-esrgan" not in options.without:
        methods.append(RealEsrgan())
    if "pasd" not in options.without:
        methods.append(Pasd.load(options.label, options.model, options.overrides))
    if not methods:
        raise SystemExit("--without leaves no method to measure")
    return methods


def measure_set(
    bench: Bench, methods: Sequence[Method], photo_set: PhotoSet, options: argparse.Namespace
) -> list[Measurement]:
    """Measure one test set and write its contact sheet."""
    measurements = bench.measure(samples_of(options, photo_set.name), methods)
    names = choose_rows(sorted({each.sample.photo for each in measurements}), options.sheet_rows, seed=options.seed)
    rows = [row_of(bench.store, [each for each in measurements if each.sample.photo == name]) for name in names]
    labels = ["input", *(method.name for method in methods), "original"]
    sheet = contact_sheet(rows, labels, title=photo_set.title, cell=CELL)
    sheet.save(Path(options.output, f"{options.name}-{photo_set.name}.png"), optimize=True)
    return measurements


def row_of(store: Store, measurements: Sequence[Measurement]) -> SheetPhoto:
    """One photo as it was degraded, as every method left it, and as it was."""
    sample = measurements[0].sample
    keys = [DEGRADED, *(measurement.method_key for measurement in measurements), ORIGINAL]
    pictures = [picture for key in keys if (picture := store.picture(sample, key)) is not None]
    return sheet_row(sample.photo, pictures)


def page(photo_set: PhotoSet, measurements: Sequence[Measurement], options: argparse.Namespace) -> str:
    """The tables of one test set."""
    photos = len({measurement.sample.photo for measurement in measurements})
    timed = f"{options.time} photos, restored again for it" if options.time else "all photos"
    parts = [f"## {photo_set.title} ({photos} photos)", f"Seconds are those of {timed}, on {places_of(measurements)}."]
    parts += [quality_table(measurements)]
    if len({measurement.method for measurement in measurements}) > 1 and "pasd" not in options.without:
        parts += [f"{options.label} against the others. {DIFFERENCE_NOTE}"]
        parts += [difference_table(measurements, method=options.label)]
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
