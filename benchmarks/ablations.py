"""What each part of PASD contributes: models trained alike but for one part, on the same degraded photos.

    python benchmarks/ablations.py --photos PHOTOS --output RESULTS --niqe-parameters niqe_modelparameters.mat \\
        --variant full RUNS/full \\
        --variant "without PACA" RUNS/without_paca \\
        --variant "without degradation removal" RUNS/without_degradation_removal \\
        --variant "without high-level prompt" RUNS/without_prompt \\
        --variant "without ANS" RUNS/full pure_noise_start=true \\
        --captions benchmarks/captions/kodak.csv --uncaptioned "without high-level prompt"

Settings behind a folder are sampling settings of that variant. The first variant is the one that the others are
compared with. With `--captions` each photo is restored with its caption as prompt, but for `--uncaptioned` variants.
Writes `ablations.md` and `.json`. Needs `pip install 'pasd-batch[quality]'`.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.captions import caption_of, read_captions
from evaluation.measuring import places_of
from evaluation.methods import Pasd
from evaluation.options import add_metric_options, add_overrides, add_photo_options, bench_of, samples_of
from evaluation.photo_sets import PHOTO_SETS
from evaluation.results import as_json, write_json
from evaluation.tables import DIFFERENCE_NOTE, NOTE, difference_table, quality_table


def main() -> None:
    options = parse_arguments()
    bench = bench_of(options)
    options.output.mkdir(parents=True, exist_ok=True)
    samples = samples_of(options, options.degraded)
    captions = None if options.captions is None else read_captions(options.captions)
    if captions is not None:
        for photo in samples.photos:
            caption_of(photo.stem, captions)
    methods = [
        load_variant(words, options.overrides, None if words[0] in options.uncaptioned else captions)
        for words in options.variant
    ]
    measurements = bench.measure(samples, methods)
    first = methods[0].name
    text = "\n\n".join(
        [
            f"{PHOTO_SETS[options.degraded].title}, {options.count or 'all'} photos, "
            f"measured on {places_of(measurements)}. {NOTE}",
            quality_table(measurements, heading="variant"),
            f"{first} against the others. {DIFFERENCE_NOTE}",
            difference_table(measurements, method=first),
        ]
    )
    Path(options.output, f"{options.name}.md").write_text(text + "\n")
    write_json(Path(options.output, f"{options.name}.json"), {"ablations": as_json(measurements)}, options)
    print(text)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_photo_options(parser, count=8)
    add_metric_options(parser, metrics=["psnr", "ssim", "ms_ssim", "fsim", "gmsd", "stlpips", "niqe", "piqe"])
    parser.add_argument("--degraded", choices=list(PHOTO_SETS), default="x4-full")
    parser.add_argument(
        "--variant",
        nargs="+",
        action="append",
        required=True,
        metavar=("NAME DIR", "SETTING=VALUE"),
        help="a name, a model folder, and sampling settings; repeated for each variant",
    )
    add_overrides(parser, "a setting of all variants, such as sampling.steps=8; may be repeated")
    parser.add_argument("--captions", type=Path, metavar="CSV", help="columns uri and prompt: each photo's prompt")
    parser.add_argument(
        "--uncaptioned", action="append", default=[], metavar="NAME", help="a variant without captions; may be repeated"
    )
    parser.add_argument("--name", default="ablations", help="file name of what is written")
    options = parser.parse_args()
    check_variants(options.variant)
    # As paths, of which the results keep the last part alone.
    options.variant = [[name, Path(folder), *settings] for name, folder, *settings in options.variant]
    if unknown := set(options.uncaptioned) - {words[0] for words in options.variant}:
        parser.error(f"--uncaptioned {', '.join(sorted(unknown))}: no variant of this name")
    return options


def check_variants(variants: Sequence[Sequence[str]]) -> None:
    """Refuse variants without a folder, and two of one name.

    Raises:
        SystemExit: saying which.
    """
    for words in variants:
        if len(words) < 2 or not Path(words[1]).is_dir():
            raise SystemExit(f"--variant {' '.join(words)}: give a name and a model folder, then settings")
    names = [words[0] for words in variants]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SystemExit(f"--variant: {', '.join(twice)} is given twice; give each variant a name of its own")


def load_variant(words: Sequence[Any], overrides: Sequence[str], captions: Mapping[str, str] | None) -> Pasd:
    """A model folder with its own settings over those of all variants, and with the captions that it is to have."""
    name, folder, *settings = words
    settings = [f"sampling.{setting}" for setting in settings]
    return Pasd.load(name, folder, [*overrides, *settings], captions=captions)


if __name__ == "__main__":
    main()
