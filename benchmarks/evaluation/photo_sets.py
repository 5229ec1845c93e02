"""Sets of clean photos degraded reproducibly, each photo with a seed of its own that is recorded."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pasd_batch.batch.worker.spec import photo_seed
from pasd_batch.config.degradation import BicubicSettings, DegradationSettings, RealEsrganSettings
from pasd_batch.config.old_photo import OldPhotoSettings
from pasd_batch.evaluation.degraded import chosen, cropped, degraded_photo, to_8_bit
from pasd_batch.pasd.geometry import Size
from pasd_batch.photos.decode import decode_photo

_SUFFIXES = {".png", ".webp", ".jpg", ".jpeg", ".tif", ".tiff"}


@dataclass(frozen=True)
class PhotoSet:
    """One way of degrading photos, and how much larger the restored photo is than the degraded one."""

    name: str
    title: str
    degradation: DegradationSettings
    scale: int


_FULL = RealEsrganSettings(scale=4, resize_back=False)

PHOTO_SETS = {
    photo_set.name: photo_set
    for photo_set in (
        PhotoSet("x4-full", "x4, Real-ESRGAN chain at full strength", _FULL, 4),
        PhotoSet("x4-half", "x4, Real-ESRGAN chain at half strength", _FULL.model_copy(update={"strength": 0.5}), 4),
        PhotoSet("x2-bicubic", "x2, bicubic", BicubicSettings(scale=2, resize_back=False), 2),
        PhotoSet("old-photo", "Old photo, same size", OldPhotoSettings(), 1),
    )
}
"""By name."""


@dataclass(frozen=True)
class SampleKey:
    """Which photo, degraded how."""

    photo_set: PhotoSet
    photo: str
    seed: int
    """Of the degradation, and of whatever a method draws."""

    degraded_size: Size
    original_size: Size
    pixels: str
    """A digest of both pictures: another crop or chain gives another one."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One photo of a set; pictures are float32 (height, width, 3), sRGB in [0, 1], on the 8-bit grid."""

    key: SampleKey
    degraded: np.ndarray
    original: np.ndarray
    """What restoring can aim at: the clean photo, in grey where the old photo is black and white."""


@dataclass(frozen=True)
class Samples:
    """Photos degraded one at a time, as they are asked for.

    Each has a seed of its own, which follows from `seed`, the set's name and the photo's.
    """

    photos: Sequence[Path]
    photo_set: PhotoSet
    seed: int = 0
    crop: int | None = None
    """Only the middle of each photo, so many pixels a side."""

    def __len__(self) -> int:
        return len(self.photos)

    def __iter__(self) -> Iterator[Sample]:
        for path in self.photos:
            original = cropped(decode_photo(path.read_bytes()).pixels, self.photo_set.scale, self.crop)
            seed = photo_seed(self.seed, f"{self.photo_set.name}/{path.stem}")
            yield make_sample(original, self.photo_set, photo=path.stem, seed=seed)


def choose_photos(folder: Path, *, pattern: str = "*", count: int | None = None, seed: int = 0) -> list[Path]:
    """`count` photos of a folder (default: all) whose names fit the pattern, by name.

    The choice depends on seed and names alone, and a smaller one is part of every larger one.

    Raises:
        FileNotFoundError: no photo fits.
        ValueError: there are fewer than `count`.
    """
    found = [path for path in folder.glob(pattern) if path.suffix.lower() in _SUFFIXES]
    if not found:
        raise FileNotFoundError(f"{folder}: no photo fits {pattern!r}; give a folder of PNG, WebP, JPEG or TIFF files")
    by_name = {path.name: path for path in found}
    return [by_name[name] for name in chosen(by_name, count, seed=seed)]


def make_sample(original: np.ndarray, photo_set: PhotoSet, *, photo: str, seed: int) -> Sample:
    """Degrade one photo (height, width, 3), as `pasd_batch.degradation.chain.degrade_photo` does with this seed."""
    pair = degraded_photo(original, photo_set.degradation, seed=seed)
    seen, true = (Size(picture.shape[0], picture.shape[1]) for picture in (pair.degraded, pair.truth))
    key = SampleKey(photo_set, photo, seed, seen, true, _digest(pair.degraded, pair.truth))
    return Sample(key, pair.degraded, pair.truth)


def _digest(*pictures: np.ndarray) -> str:
    content = hashlib.sha256()
    for picture in pictures:
        content.update(f"{picture.shape} ".encode())
        content.update(to_8_bit(picture).tobytes())
    return content.hexdigest()[:12]
