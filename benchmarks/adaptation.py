"""Measures what adapting to photos is worth, and fits the map of adaptation of the embedded model.

    python benchmarks/adaptation.py PHOTOS --output DIR                         # what lacks is measured, then fitted
    python benchmarks/adaptation.py PHOTOS --output DIR --weights-dir METRICS --steps 1 2
    python benchmarks/adaptation.py PHOTOS --output DIR --sets 'realesrgan*'

PHOTOS is a folder of clean photos; with METRICS, which has ST-LPIPS (`pasd-batch weights fetch`), the objective is
PSNR - 20 ST-LPIPS, without it PSNR. The middle square of each, --side pixels, is degraded as
`configs/evaluate_adaptation.yaml` says (both chains from clean to bad, and noise, blur and JPEG alone), estimated, and
restored with every number of --steps; the frequencies that are kept are brought back afterwards, as the pipeline does
it, so that each photo is restored once for all of them. Results are appended to DIR/sweep.jsonl, and what is there is
not measured again. Prints the tables of docs/adaptation.md and writes DIR/adaptation.yaml.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from pasd_batch.batch.worker.spec import photo_seed
from pasd_batch.cli.adapt import OBJECTIVE, table
from pasd_batch.config.degradation import DegradationSettings, RealEsrganSettings
from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.config.model import ModelSettings
from pasd_batch.config.old_photo import OldPhotoSettings
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.evaluation.adaptation_check import checks, left_out_choices
from pasd_batch.evaluation.adaptation_fit import fit_map
from pasd_batch.evaluation.degraded import DegradedPhoto, chosen, cropped, degraded_photo
from pasd_batch.evaluation.sweep import Sweep, SweptPhoto
from pasd_batch.metrics.fidelity import psnr
from pasd_batch.metrics.iqa import Metric, build_metrics
from pasd_batch.pasd import padding
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.kept_frequencies import keep_frequencies
from pasd_batch.pasd.models import Models, load_models
from pasd_batch.pasd.restoration import Restoration
from pasd_batch.pasd.restorer import Restorer
from pasd_batch.photos.decode import decode_photo
from pasd_batch.photos.estimates.degradation import estimate_degradation

KEPT = (0.0, 0.1, 0.2, 0.35, 0.5)
FEWER = 24
"""Photos of sets beside the two chains at the photo's own size."""

_SOUND = {"blur": {"probability": 0}, "resize": {"up": 0, "down": 0, "keep": 1}, "jpeg_quality": [100, 100]}
_SILENT = {"sigma": [0, 0], "poisson_scale": [0, 0]}


@dataclass(frozen=True)
class PhotoSet:
    """One way of degrading photos, and how much larger they are restored."""

    name: str
    degradation: DegradationSettings
    scale: int = 1
    count: int | None = None


def photo_sets() -> Iterator[PhotoSet]:
    """Sets from clean to bad."""
    for strength in (0.0, 0.25, 0.5, 1.0):
        yield PhotoSet(f"realesrgan {strength:g}", RealEsrganSettings(scale=1, strength=strength))
    for strength in (0.0, 0.25, 0.5, 1.0):
        yield PhotoSet(f"old photo {strength:g}", OldPhotoSettings(strength=strength))
    for strength in (0.0, 0.5, 1.0):
        chain = RealEsrganSettings(scale=2, resize_back=False, strength=strength)
        yield PhotoSet(f"x2 realesrgan {strength:g}", chain, 2, FEWER)
    alone = {
        "noise": {"noise": {"sigma": [1, 25], "poisson_scale": [0.05, 2]}},
        "blur": {"blur": {"sigma": [0.2, 3]}},
        "jpeg": {"jpeg_quality": [20, 95]},
    }
    for name, wrong in alone.items():
        stages = {"first": {"noise": _SILENT, **_SOUND, **wrong}, "second": {"noise": _SILENT, **_SOUND}}
        chain = RealEsrganSettings.parse({"scale": 1, "final_sinc": {"probability": 0}, **stages})
        yield PhotoSet(name, chain, 1, FEWER)


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    store = options.output / "sweep.jsonl"
    _measure(options, store)
    objective = OBJECTIVE if options.weights_dir else {"psnr": 1.0}
    sweep = _read(store, objective, options.kept)
    chosen_ones = left_out_choices(sweep, options.folds, losses=options.losses)
    sys.stdout.write("\n".join(table(list(checks(sweep, chosen_ones)), objective)) + "\n\n")
    sys.stdout.write("\n".join(_by_variant(sweep, chosen_ones)) + "\n")
    fitted = fit_map(sweep, losses=options.losses).model_dump(mode="json", exclude_none=True)
    text = yaml.safe_dump(fitted, sort_keys=False, default_flow_style=None)
    (options.output / "adaptation.yaml").write_text(text, encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--weights-dir", type=Path, help="of ST-LPIPS")
    parser.add_argument("--sets", nargs="+", default=["*"], help="names or patterns of sets that are measured")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--steps", type=int, nargs="+", default=[1])
    parser.add_argument("--kept", type=float, nargs="+", default=KEPT, help="kept frequencies that maps choose from")
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--losses", type=float, default=3.0, help="as `pasd-batch adapt --losses`")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _measure(options: argparse.Namespace, store: Path) -> None:
    """Append what is not in the store yet: a line for each photo of a set and number of steps."""
    done = {(row["set"], row["photo"], row["steps"]) for row in _lines(store)}
    paths = {path.stem: path for path in sorted(options.photos.iterdir()) if path.is_file()}
    names = ("stlpips",) if options.weights_dir else ()
    settings = MetricsSettings(full_reference=names, no_reference=(), weights_dir=options.weights_dir)
    _, metrics = build_metrics(settings)
    sets = [each for each in photo_sets() if any(fnmatch(each.name, pattern) for pattern in options.sets)]
    for steps in options.steps:
        # Those that all sets have come first, so that what is there after a stop is of use.
        for name in sorted(paths, key=lambda name: photo_seed(options.seed, name)):
            for each in sets:
                wanted = chosen(paths, min(each.count or len(paths), len(paths)), seed=options.seed)
                if (each.name, name, steps) in done or name not in wanted:
                    continue
                clean = decode_photo(paths[name].read_bytes()).composited()
                seed = photo_seed(options.seed, f"{each.name}/{name}")
                pair = degraded_photo(cropped(clean, each.scale, options.side), each.degradation, seed=seed)
                row = {"set": each.name, "photo": name, "scale": each.scale, "steps": steps}
                row |= _readings(pair.degraded) | {"variants": _variants(pair, each.scale, steps, metrics)}
                with store.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(row) + "\n")


def _readings(pixels: np.ndarray) -> dict[str, Any]:
    found = asdict(estimate_degradation(pixels))
    return {name: found[name] for name in ("noise_sigma", "blur_sigma", "jpeg_strength")}


def _variants(pair: DegradedPhoto, scale: int, steps: int, metrics: Sequence[Metric]) -> list[dict[str, Any]]:
    """What one restoration is worth with each of the frequencies kept."""
    given = {"scale": scale, "steps": steps, "kept_frequencies": 0.0, "adapt": False}
    settings = RestorationSettings.parse({"sampling": given})
    photo = torch.from_numpy(pair.degraded).permute(2, 0, 1)
    (result,) = Restorer(_models(), settings).restore([photo], prompts=[""], seeds=[0])
    assert isinstance(result, Restoration), result
    least = settings.sampling.min_short_side
    sizes = padding.choose_sizes(Size.of(photo), scale=scale, min_short_side=least, multiple=8)
    assert sizes.working == sizes.target, "what is worked on enlarged cannot be brought back afterwards"
    source = padding.crop_padding(padding.resize_and_pad(photo[None], sizes), sizes)
    found = []
    for kept in KEPT:
        share = kept * sizes.original.width / sizes.working.width
        image = keep_frequencies(result.image[None], source, share).clamp(0.0, 1.0)[0].permute(1, 2, 0).numpy()
        scores = {"psnr": psnr(image, pair.truth), **{each.name: each(image, pair.truth) for each in metrics}}
        found.append({"settings": {"steps": steps, "kept_frequencies": kept}, **scores})
    return found


@lru_cache(maxsize=1)
def _models() -> Models:
    return load_models(ModelSettings())


def _lines(store: Path) -> list[dict[str, Any]]:
    text = store.read_text(encoding="utf-8") if store.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def _read(store: Path, weights: Mapping[str, float], kept: Sequence[float]) -> Sweep:
    """The photos that have been restored with all settings, and have all scores of the objective.

    Variants with other kept frequencies than those named are left out.
    """
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in (row for row in _lines(store) if weights.keys() <= row["variants"][0].keys()):
        rows.setdefault((row["set"], row["photo"]), []).append(row)
    most = max(len(found) for found in rows.values())
    whole = [found for found in rows.values() if len(found) == most]  # the last photo of a stop may lack some
    tried = [
        [each for row in found for each in row["variants"] if each["settings"]["kept_frequencies"] in kept]
        for found in whole
    ]
    photos = tuple(
        SweptPhoto(row["set"], row["photo"], row["scale"], row["noise_sigma"], row["blur_sigma"], row["jpeg_strength"])
        for row, *_ in whole
    )
    scores = {name: np.array([[each[name] for each in variants] for variants in tried]) for name in weights}
    objective = sum((weight * scores[name] for name, weight in weights.items()), start=np.zeros(1))
    settings = [each["settings"] for each in tried[0]]
    varied = [name for name in settings[0] if len({each[name] for each in settings}) > 1]
    return Sweep(tuple({name: each[name] for name in varied} for each in settings), photos, scores, objective)


def _by_variant(sweep: Sweep, adaptive: np.ndarray) -> Iterator[str]:
    """Lines of a table: dB, and ST-LPIPS where it is, of each fixed setting and of the adaptive one, set by set."""
    names = [", ".join(f"{name} {value:g}" for name, value in each.items()) for each in sweep.settings]
    yield f"| photos | {' | '.join(names)} | adaptive |"
    yield "|---|" + "---:|" * (len(names) + 1)
    for test_set in dict.fromkeys(photo.test_set for photo in sweep.photos):
        here = np.array([photo.test_set == test_set for photo in sweep.photos])
        part, every = sweep.part(here), np.arange(int(here.sum()))
        cells = [_cell(part, np.full(len(every), number), every) for number in range(len(names))]
        yield f"| {test_set} | {' | '.join(cells)} | {_cell(part, adaptive[here], every)} |"


def _cell(part: Sweep, variants: np.ndarray, every: Sequence[int] | np.ndarray) -> str:
    means = {name: values[every, variants].mean() for name, values in part.scores.items()}
    return " / ".join(f"{value:.{2 if name == 'psnr' else 3}f}" for name, value in means.items())


if __name__ == "__main__":
    main()
