"""Harm that shipped settings do with the model in the package: restored photos against their originals, and the input.

    python benchmarks/harm.py                          # photos of scikit-image
    python benchmarks/harm.py --photos PHOTOS --side 384

Each setting is run on good photos (JPEG of high quality) and bad ones (noise, JPEG of low quality, blur). Prints a
table in decibels (PSNR) of the input, enlarged by Lanczos where the setting enlarges, and of the result. Ends with 1
if a result is further from its original than its input by more than `--tolerance`, unless commands warn of the setting.
"""

import argparse
import io
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

from pasd_batch.config.base import load_yaml
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.pasd.restoration import Restoration
from pasd_batch.pasd.restorer import Restorer

CONFIGS = Path(__file__).parents[1] / "configs"
DEMO = Path(__file__).parents[1] / "pasd_batch/cli/demo.yaml"
SAMPLES = ("astronaut", "coffee", "chelsea", "rocket")


@dataclass(frozen=True)
class Setting:
    """Settings as somebody has them who names no model."""

    name: str
    restoration: RestorationSettings


def main() -> int:
    options = parse_arguments()
    torch.set_num_threads(options.threads)
    originals = dict(photos(options.photos, options.side, options.most))
    harmed = False
    print("| setting | photos | input dB | result dB | worst change |\n|---|---|---:|---:|---:|")
    for setting in told_together(settings()):
        restorer = Restorer.from_settings(setting.restoration)
        scale = setting.restoration.sampling.scale
        for kind, spoil in KINDS.items():
            pairs = [measured(original, spoil, restorer, scale) for original in originals.values()]
            before, after = (statistics.mean(each) for each in zip(*pairs, strict=True))
            worst = min(result - start for start, result in pairs)
            harm, said = worst < -options.tolerance, bool(setting.restoration.cautions)
            harmed = harmed or (harm and not said)
            mark = " harm, which is said" if harm and said else " harm" if harm else ""
            print(f"| {setting.name} | {kind} | {before:.2f} | {after:.2f} | {worst:+.2f}{mark} |", flush=True)
    return int(harmed)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder of good photos (default: samples of scikit-image)")
    parser.add_argument("--side", type=int, default=256, help="shorter side that originals are scaled down to")
    parser.add_argument("--most", type=int, default=8, help="photos that are taken")
    parser.add_argument("--tolerance", type=float, default=0.5, help="decibels that a result may lose")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def settings() -> Iterator[Setting]:
    """Defaults and shipped configurations that meet the model in the package."""
    yield Setting("restore", RestorationSettings.parse({}))
    yield Setting("restore --scale 1", RestorationSettings.parse({"sampling": {"scale": 1}}))
    yield Setting("restore --scale 4", RestorationSettings.parse({"sampling": {"scale": 4}}))
    fixed = {"scale": 1, "adapt": False}
    yield Setting("restore --scale 1 --set sampling.adapt=false", RestorationSettings.parse({"sampling": fixed}))
    for path in sorted([*CONFIGS.glob("*.yaml"), DEMO], key=lambda path: path.name):
        values = load_yaml(path)
        if "manifest" in values and values.get("mode") == "restore" and not names_a_model(values):
            yield Setting(path.name, RestorationSettings.parse(values.get("restoration", {})))


def told_together(every: Iterable[Setting]) -> Iterator[Setting]:
    """Those that restore alike as one, with all their names."""
    names: dict[str, list[str]] = {}
    first: dict[str, Setting] = {}
    for setting in every:
        key = setting.restoration.sampling.model_dump_json()
        names.setdefault(key, []).append(setting.name)
        first.setdefault(key, setting)
    for key, setting in first.items():
        yield Setting(", ".join(names[key]), setting.restoration)


def names_a_model(values: dict) -> bool:
    restoration = values.get("restoration", {})
    models = [restoration.get("model", {}), *(each.get("model", {}) for each in restoration.get("passes", []))]
    return any(model.get("base") or model.get("control") for model in models)


def photos(folder: Path | None, side: int, most: int) -> Iterator[tuple[str, Image.Image]]:
    if folder is None:
        from skimage import data

        found = [(name, Image.fromarray(getattr(data, name)())) for name in SAMPLES]
    else:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".png", ".jpg", ".jpeg", ".webp"})
        found = [(path.name, Image.open(path)) for path in paths[:most]]
    for name, image in found:
        factor = side / min(image.size)
        size = [round(length * factor) // 8 * 8 for length in image.size]
        yield name, image.convert("RGB").resize((size[0], size[1]), Image.Resampling.LANCZOS)


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def noisy(image: Image.Image, sigma: float) -> Image.Image:
    pixels = np.asarray(image, np.float32) + np.random.default_rng(0).normal(0, sigma, (image.height, image.width, 3))
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


KINDS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "good (JPEG 95)": lambda image: jpeg(image, 95),
    "fair (JPEG 75)": lambda image: jpeg(image, 75),
    "JPEG 25": lambda image: jpeg(image, 25),
    "noise 15": lambda image: noisy(image, 15),
    "blur 1.5, noise 10, JPEG 40": lambda image: jpeg(noisy(image.filter(ImageFilter.GaussianBlur(1.5)), 10), 40),
}


def measured(
    original: Image.Image, spoil: Callable[[Image.Image], Image.Image], restorer: Restorer, scale: float
) -> tuple[float, float]:
    """Decibels of input and result."""
    small = (
        original.resize((round(original.width / scale), round(original.height / scale)), Image.Resampling.BICUBIC)
        if scale != 1
        else original
    )
    spoiled = spoil(small)
    pixels = torch.from_numpy(np.asarray(spoiled, np.float32) / 255).permute(2, 0, 1)
    (restored,) = restorer.restore([pixels], prompts=[""], seeds=[0])
    assert isinstance(restored, Restoration), restored
    result = restored.image.permute(1, 2, 0).numpy()
    enlarged = spoiled.resize(original.size, Image.Resampling.LANCZOS)
    truth = np.asarray(original, np.float32) / 255
    return decibels(np.asarray(enlarged, np.float32) / 255, truth), decibels(result, truth)


def decibels(picture: np.ndarray, truth: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((picture - truth) ** 2) + 1e-10))


if __name__ == "__main__":
    sys.exit(main())
