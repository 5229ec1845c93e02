"""Sets of clean photos degraded reproducibly, each photo with a seed of its own that is recorded."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pasd_batch.batch.worker.spec import photo_seed
from pasd_batch.config.degradation import BicubicSettings, DegradationSettings, RealEsrganSettings
from pasd_batch.config.old_photo import OldPhotoSettings
from pasd_batch.degradation.chain import degrade_batch
from pasd_batch.pasd.geometry import Size
from pasd_batch.photos.decode import decode_photo

_LATENT = 8
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
    if count is not None and count > len(found):
        raise ValueError(f"{folder}: {count} photos were asked for, but only {len(found)} fit {pattern!r}")
    drawn = sorted(found, key=lambda path: photo_seed(seed, path.name))[:count]
    return sorted(drawn, key=lambda path: path.name)


def make_sample(original: np.ndarray, photo_set: PhotoSet, *, photo: str, seed: int) -> Sample:
    """Degrade one photo (height, width, 3), as `pasd_batch.degradation.chain.degrade_photo` does with this seed."""
    clean = torch.from_numpy(np.ascontiguousarray(original.transpose(2, 0, 1)))[None]
    generator = torch.Generator().manual_seed(seed)
    batch = degrade_batch(clean, settings=photo_set.degradation, generator=generator)
    degraded, target = (
        on_8_bit_grid(picture[0].numpy().transpose(1, 2, 0)) for picture in (batch.degraded, batch.targets)
    )
    sizes = Size.of(batch.degraded), Size.of(batch.targets)
    return Sample(SampleKey(photo_set, photo, seed, *sizes, _digest(degraded, target)), degraded, target)


def cropped(photo: np.ndarray, scale: int, side: int | None) -> np.ndarray:
    """The middle of a photo, at most `side` pixels a side, in multiples of 8 and of the scale.

    Raises:
        ValueError: nothing would be left.
    """
    multiple = math.lcm(_LATENT, scale)
    height, width = (min(length, side or length) // multiple * multiple for length in photo.shape[:2])
    if height == 0 or width == 0:
        raise ValueError(f"a crop of {side} pixels is less than the {multiple} that the networks need")
    top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
    return photo[top : top + height, left : left + width]


def to_8_bit(picture: np.ndarray) -> np.ndarray:
    """uint8 levels of a picture in [0, 1]; values outside are clipped."""
    return (np.clip(picture, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def from_8_bit(levels: np.ndarray) -> np.ndarray:
    """A picture in [0, 1] of uint8 levels."""
    return levels.astype(np.float32) / np.float32(255.0)


def on_8_bit_grid(picture: np.ndarray) -> np.ndarray:
    """A picture as an 8-bit file would hold it."""
    return from_8_bit(to_8_bit(picture))


def _digest(*pictures: np.ndarray) -> str:
    content = hashlib.sha256()
    for picture in pictures:
        content.update(f"{picture.shape} ".encode())
        content.update(to_8_bit(picture).tobytes())
    return content.hexdigest()[:12]
