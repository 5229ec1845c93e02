"""Precision and recall of an audit: on photos with one thing made wrong each, by a known amount, and on their copies.

    python benchmarks/audit.py PHOTOS --pattern 'kodak_*' --keep /tmp/audit

Noise, blur, compression and screens are the package's own (benchmarks/estimates.py). `pasd-batch audit` then looks at
the folder of all cases; the tables say for each case how many photos it told the issue of, and how many copies of a
photo it found to be that photo.
"""

import argparse
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from estimates import blur, halftone, jpeg, noise
from evaluation.photo_sets import choose_photos
from PIL import Image

from pasd_batch.audit.issues import ISSUES
from pasd_batch.cli import main as pasd_batch

Change = Callable[[np.ndarray], np.ndarray]
ORIGINAL = "original"


@dataclass(frozen=True)
class Case:
    """A change of a photo; `issue` is what should be told of it, None: nothing, though it is a little like one."""

    name: str
    change: Change
    about: str
    told: bool
    """Whether the issue `about` should be told."""


@dataclass(frozen=True)
class Copy:
    """A copy of a photo, which should be found to be one."""

    name: str
    change: Change
    ending: str = ".png"
    quality: int = 95


def main() -> None:
    options = parse_arguments()
    paths = choose_photos(options.photos, pattern=options.pattern, count=options.count, seed=0)
    with tempfile.TemporaryDirectory() as scratch:
        root = options.keep or Path(scratch)
        write_cases(paths, root / "cases")
        if pasd_batch(["audit", str(root / "cases"), "-o", str(root / "audit"), "workers.gpus=0"]):
            raise SystemExit("the audit did not succeed")
        rows = pq.read_table(root / "audit" / "audit.parquet").to_pylist()
    by_case: dict[str, dict[str, dict]] = {}
    for row in rows:
        case, _, name = row["photo_id"].partition("/")
        by_case.setdefault(case, {})[Path(name).stem] = row
    print(f"{len(paths)} photos of {options.photos.name}, {options.pattern}: {len(rows)} files\n")
    print("\n".join([*issue_table(by_case), "", *measure_table(by_case), "", *copy_table(by_case)]))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="folder of clean photos")
    parser.add_argument("--pattern", default="*", help="only photos whose names fit, such as 'kodak_*'")
    parser.add_argument("--count", type=int, help="how many photos (default: all)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep cases and audit there")
    return parser.parse_args()


def write_cases(paths: Sequence[Path], folder: Path) -> None:
    for path in paths:
        photo = np.asarray(Image.open(path).convert("RGB"))
        for case in (Case(ORIGINAL, lambda photo: photo, "", False), *CASES):
            save(case.change(photo), folder / case.name / f"{path.stem}.png")
        for copy in COPIES:
            save(copy.change(photo), folder / copy.name / f"{path.stem}{copy.ending}", copy.quality)


def save(pixels: np.ndarray, path: Path, quality: int = 95) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=quality)


def issue_table(by_case: dict[str, dict[str, dict]]) -> Iterator[str]:
    """Precision and recall of each issue on its own cases and the originals."""
    yield "| issue | should be told of | recall | should not be told of | told all the same | precision |"
    yield "|---|---|---:|---|---:|---:|"
    for issue in dict.fromkeys(case.about for case in CASES):
        cases = [case for case in CASES if case.about == issue]
        names = {told: [case.name for case in cases if case.told is told] for told in (True, False)}
        names[False].insert(0, ORIGINAL)
        rows = {told: [row for name in names[told] for row in by_case[name].values()] for told in (True, False)}
        hits, alarms = (sum(issue in row["issues"] for row in rows[told]) for told in (True, False))
        precision = f"{hits / (hits + alarms):.2f}" if hits else ""
        yield (
            f"| {issue} | {', '.join(names[True])} | {hits / len(rows[True]):.2f} | {', '.join(names[False])} "
            f"| {alarms} of {len(rows[False])} | {precision} |"
        )


def measure_table(by_case: dict[str, dict[str, dict]]) -> Iterator[str]:
    """How many photos of each case each issue is told of, its own among them."""
    shown = [issue.name for issue in ISSUES if issue.name not in ("unreadable", "no_profile", "odd_profile")]
    shown = [name for name in shown if not name.endswith("_duplicate")]
    yield "| case | " + " | ".join(shown) + " |"
    yield "|---|" + "---:|" * len(shown)
    for name in (ORIGINAL, *(case.name for case in CASES)):
        counts = [sum(issue in row["issues"] for row in by_case[name].values()) for issue in shown]
        yield f"| {name} | " + " | ".join(str(count) if count else "" for count in counts) + " |"


def copy_table(by_case: dict[str, dict[str, dict]]) -> Iterator[str]:
    """Share of copies that are in the group of their original, and how pure groups are."""
    group = {
        row["photo_id"]: row["duplicate_of"] or row["photo_id"] for rows in by_case.values() for row in rows.values()
    }
    yield "| copy | in the group of its original | with its pixels | median bits that differ |"
    yield "|---|---:|---:|---:|"
    for copy in COPIES:
        rows, originals = by_case[copy.name], by_case[ORIGINAL]
        found = [group[row["photo_id"]] == group[originals[name]["photo_id"]] for name, row in rows.items()]
        exact = sum(row["pixel_hash"] == originals[name]["pixel_hash"] for name, row in rows.items())
        bits = [
            (int(row["perceptual_hash"], 16) ^ int(originals[name]["perceptual_hash"], 16)).bit_count()
            for name, row in rows.items()
        ]
        yield f"| {copy.name} | {np.mean(found):.2f} | {exact} of {len(rows)} | {np.median(bits):g} |"
    members: dict[str, Counter[str]] = {}
    for name, kept in group.items():
        members.setdefault(kept, Counter())[Path(name).stem] += 1
    pairs = sum(math.comb(each.total(), 2) for each in members.values())
    right = sum(math.comb(count, 2) for each in members.values() for count in each.values())
    yield f"\n{right:,} of {pairs:,} pairs of files in one group are of one photo"


def scaled(photo: np.ndarray, factor: float) -> np.ndarray:
    height, width = photo.shape[:2]
    return np.asarray(
        Image.fromarray(photo).resize((round(width * factor), round(height * factor)), Image.Resampling.LANCZOS)
    )


def cropped(photo: np.ndarray, share: float) -> np.ndarray:
    """Without so much of each side's length, half of it at either end."""
    down, across = (round(side * share / 2) for side in photo.shape[:2])
    return photo[down : photo.shape[0] - down, across : photo.shape[1] - across]


def levels(photo: np.ndarray, low: float, high: float) -> np.ndarray:
    """Black and white brought to these levels."""
    return np.rint(low + photo / 255.0 * (high - low)).astype(np.uint8)


def tinted(photo: np.ndarray, gains: tuple[float, float, float]) -> np.ndarray:
    """Light multiplied by a gain for each channel."""
    light = (photo / 255.0) ** 2.2 * np.array(gains)
    return np.rint(np.clip(light, 0.0, 1.0) ** (1 / 2.2) * 255.0).astype(np.uint8)


def grey(photo: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(photo).convert("L").convert("RGB"))


def sepia(photo: np.ndarray) -> np.ndarray:
    return np.rint(grey(photo) * np.array([1.0, 0.86, 0.68])).astype(np.uint8)


def framed(photo: np.ndarray, share: float) -> np.ndarray:
    """On white, with a margin of so much of the shorter side."""
    margin = round(min(photo.shape[:2]) * share)
    return np.pad(photo, ((margin, margin), (margin, margin), (0, 0)), constant_values=245)


CASES = (
    *(Case(f"noise {s:g}", lambda photo, s=s: noise(photo, s), "noisy", s > 10) for s in (5.0, 15.0, 30.0)),
    *(Case(f"blur {s:g}", lambda photo, s=s: blur(photo, s), "blurry", s > 2) for s in (1.0, 3.0, 5.0)),
    *(Case(f"JPEG {q}", lambda photo, q=q: jpeg(photo, q), "compressed", q < 40) for q in (75, 30, 10)),
    Case("levels 0 to 70", lambda photo: levels(photo, 0, 70), "dark", told=True),
    Case("levels 0 to 150", lambda photo: levels(photo, 0, 150), "dark", told=False),
    Case("levels 245 to 255", lambda photo: levels(photo, 245, 255), "light", told=True),
    Case("levels 150 to 255", lambda photo: levels(photo, 150, 255), "light", told=False),
    Case("levels 100 to 150", lambda photo: levels(photo, 100, 150), "low_contrast", told=True),
    Case("levels 60 to 190", lambda photo: levels(photo, 60, 190), "low_contrast", told=False),
    Case("frame of 5 %", lambda photo: framed(photo, 0.05), "borders", told=True),
    Case("halftone 4 px", lambda photo: halftone(photo, 4.0), "printed", told=True),
    Case("grey", grey, "grayscale", told=True),
    Case("sepia", sepia, "color_cast", told=True),
    Case("light x 1.2, 1, 0.5", lambda photo: tinted(photo, (1.2, 1.0, 0.5)), "color_cast", told=True),
    Case("light x 0.8, 1.15, 0.8", lambda photo: tinted(photo, (0.8, 1.15, 0.8)), "color_cast", told=True),
    Case("a tenth of the height", lambda photo: photo[: len(photo) // 10], "odd_aspect", told=True),
)
COPIES = (
    Copy("same pixels, TIFF", lambda photo: photo, ".tif"),
    Copy("JPEG copy 90", lambda photo: photo, ".jpg", 90),
    Copy("JPEG copy 50", lambda photo: photo, ".jpg", 50),
    Copy("resized x 0.5", lambda photo: scaled(photo, 0.5)),
    Copy("resized x 0.75, JPEG 75", lambda photo: scaled(photo, 0.75), ".jpg", 75),
    Copy("enlarged x 1.5", lambda photo: scaled(photo, 1.5)),
    *(Copy(f"cropped by {s} %", lambda photo, s=s: cropped(photo, s / 100)) for s in (1, 2, 5, 10)),
    Copy("brighter", lambda photo: levels(photo, 25, 255)),
    Copy("grey copy", grey),
)


if __name__ == "__main__":
    main()
