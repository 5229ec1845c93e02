"""Worth of the estimates of noise, blur and JPEG strength: on known amounts of them, and on what may be mistaken.

    python benchmarks/estimates.py PHOTOS --pattern 'kodak_*'

For each kind the rank correlation (Spearman) of readings and strengths over all photos, the readings at each strength,
and the time of a processor core that a photo takes. The degradations are the package's own.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from evaluation.photo_sets import choose_photos
from PIL import Image
from scipy.stats import spearmanr

from pasd_batch.degradation.film_grain import GrainParameters, add_grain
from pasd_batch.degradation.filtering import gaussian_blur
from pasd_batch.degradation.halftone import HalftoneParameters, print_halftone
from pasd_batch.degradation.jpeg import compress_jpeg
from pasd_batch.degradation.noise import add_gaussian_noise
from pasd_batch.photos.estimates.degradation import estimate_degradation
from pasd_batch.records import DegradationEstimate

FIELDS = ("noise_sigma", "blur_sigma", "jpeg_strength")
Degrade = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Kind:
    """A degradation of rising strength, and the reading that should follow it."""

    name: str
    field: str
    strengths: tuple[float, ...]
    degrade: Callable[[np.ndarray, float], np.ndarray]
    rises: bool = True


def main() -> None:
    options = parse_arguments()
    paths = choose_photos(options.photos, pattern=options.pattern, count=options.count, seed=0)
    photos = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    print(f"{len(photos)} photos of {options.photos.name}, {options.pattern}; median reading [least, largest]\n")
    for kind in KINDS:
        print("\n".join(follow(kind, photos)), "\n")
    print("| others | " + " | ".join(FIELDS) + " |\n|---|---|---|---|")
    for name, degrade in others():
        readings = [estimate_degradation(degrade(photo)) for photo in photos]
        print(f"| {name} | " + " | ".join(spread(readings, field) for field in FIELDS) + " |", flush=True)
    print(f"\n{milliseconds(photos):.0f} ms of a core a photo (median)")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="folder of clean photos")
    parser.add_argument("--pattern", default="*", help="only photos whose names fit, such as 'kodak_*'")
    parser.add_argument("--count", type=int, help="how many photos (default: all)")
    return parser.parse_args()


def follow(kind: Kind, photos: Sequence[np.ndarray]) -> Iterator[str]:
    """Lines of a table: the readings at each strength, and their rank correlation."""
    truths, values, lines = list[float](), list[float](), list[str]()
    for strength in kind.strengths:
        readings = [estimate_degradation(kind.degrade(photo, strength)) for photo in photos]
        known = [value for reading in readings if (value := getattr(reading, kind.field)) is not None]
        truths += [strength] * len(known)
        values += known
        bias = f"{np.mean(known) - strength:+.2f}" if kind.rises else ""
        lines.append(f"| {strength:g} | {spread(readings, kind.field)} | {bias} |")
    correlation = float(np.asarray(spearmanr(truths, values))[0]) * (1 if kind.rises else -1)
    yield f"{kind.name}: rank correlation {correlation:.3f}\n"
    yield f"| strength | {kind.field} | mean reading less strength |\n|---|---|---|"
    yield from lines


def spread(readings: Sequence[DegradationEstimate], field: str) -> str:
    """Median and range of one reading, and how many photos have none."""
    known = [value for reading in readings if (value := getattr(reading, field)) is not None]
    missing = f", {len(readings) - len(known)} none" if len(known) < len(readings) else ""
    if not known:
        return "none"
    return f"{statistics.median(known):.2f} [{min(known):.2f}, {max(known):.2f}]{missing}"


def milliseconds(photos: Sequence[np.ndarray]) -> float:
    """Median time of a core for one photo, decoded as the pipeline has it."""
    taken = []
    for photo in (photo.astype(np.float32) / 255.0 for photo in photos):
        began = time.process_time()
        estimate_degradation(photo)
        taken.append(time.process_time() - began)
    return statistics.median(taken) * 1000.0


def through_tensor(photo: np.ndarray, change: Callable[[torch.Tensor], torch.Tensor]) -> np.ndarray:
    """A change of a batch (1, 3, height, width) in [0, 1] applied to uint8 pixels, and rounded to 8 bits again."""
    batch = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float() / 255.0
    return (change(batch)[0].permute(1, 2, 0).clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).numpy()


class Draw:
    """Unit normal draws, the same for every photo of a size."""

    def normal(self, shape: Sequence[int]) -> torch.Tensor:
        return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(0))

    def poisson(self, rates: torch.Tensor) -> torch.Tensor:
        return torch.poisson(rates, generator=torch.Generator().manual_seed(0))


def noise(photo: np.ndarray, sigma: float, planes: int = 3) -> np.ndarray:
    draw = Draw().normal((1, planes, *photo.shape[:2]))
    return through_tensor(photo, lambda batch: add_gaussian_noise(batch, draw, torch.tensor([sigma])))


def blur(photo: np.ndarray, sigma: float) -> np.ndarray:
    return through_tensor(photo, lambda batch: gaussian_blur(batch, [sigma])) if sigma else photo


def jpeg(photo: np.ndarray, quality: float) -> np.ndarray:
    if quality == 100.0:
        return photo
    return through_tensor(photo, lambda batch: compress_jpeg(batch, torch.tensor([quality])))


def grain(photo: np.ndarray, size: float) -> np.ndarray:
    return through_tensor(photo, lambda batch: add_grain(batch, [GrainParameters(13.0 / 255.0, size)], Draw()))


def halftone(photo: np.ndarray, period: float) -> np.ndarray:
    screen = HalftoneParameters(0.6, period, 0.1)
    return through_tensor(photo, lambda batch: print_halftone(batch, [screen], monochrome=[True]))


def enlarge(photo: np.ndarray, factor: int, method: Image.Resampling = Image.Resampling.BICUBIC) -> np.ndarray:
    """The upper left part, as large as the photo."""
    height, width = photo.shape[0] // factor, photo.shape[1] // factor
    part = Image.fromarray(photo[:height, :width])
    return np.asarray(part.resize((width * factor, height * factor), method))


KINDS = (
    Kind("noise in colour", "noise_sigma", (0.0, 2.0, 5.0, 10.0, 20.0, 30.0), noise),
    Kind("noise in grey", "noise_sigma", (0.0, 2.0, 5.0, 10.0, 20.0, 30.0), lambda photo, s: noise(photo, s, 1)),
    Kind("blur", "blur_sigma", (0.0, 1.0, 1.5, 2.0, 3.0, 4.0), blur),
    Kind("blur under noise 10", "blur_sigma", (0.0, 1.0, 1.5, 2.0, 3.0, 4.0), lambda p, s: noise(blur(p, s), 10.0)),
    Kind("JPEG quality", "jpeg_strength", (100.0, 90.0, 75.0, 60.0, 40.0, 20.0, 10.0), jpeg, rises=False),
)


def others() -> Iterator[tuple[str, Degrade]]:
    """What may be mistaken for something else, each by name."""
    yield "clean", lambda photo: photo
    yield from ((f"grain of 13 levels, size {s:g}", lambda p, s=s: grain(p, s)) for s in (0.4, 0.7, 1.0, 1.5))
    yield from ((f"halftone, {d:g} px", lambda p, d=d: halftone(p, d)) for d in (3.0, 4.0, 5.0, 6.0, 8.0))
    yield from ((f"enlarged x{f}, bicubic", lambda p, f=f: enlarge(p, f)) for f in (2, 3, 4))
    yield "enlarged x2, nearest", lambda photo: enlarge(photo, 2, Image.Resampling.NEAREST)
    yield "JPEG 40, then enlarged x2", lambda photo: enlarge(jpeg(photo, 40.0), 2)
    yield from ((f"JPEG 40, then noise {s:g}", lambda p, s=s: noise(jpeg(p, 40.0), s)) for s in (5.0, 10.0))
    yield from ((f"noise {s:g}, then JPEG 75", lambda p, s=s: jpeg(noise(p, s), 75.0)) for s in (5.0, 10.0, 20.0))
    yield "blur 2, then JPEG 15", lambda photo: jpeg(blur(photo, 2.0), 15.0)
    yield "a tenth as bright", lambda photo: (photo * 0.1).round().astype(np.uint8)
    yield "a tenth as bright, noise 5", lambda photo: noise((photo * 0.1).round().astype(np.uint8), 5.0)


if __name__ == "__main__":
    main()
