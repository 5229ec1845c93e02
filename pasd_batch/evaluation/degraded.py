"""Clean photos degraded reproducibly, each with a seed of its own: the test pairs that can be made from any photos."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from pasd_batch.batch.worker.spec import photo_seed
from pasd_batch.config.degradation import DegradationSettings
from pasd_batch.degradation.chain import degrade_batch

LATENT = 8

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class DegradedPhoto:
    """A degraded photo and the true one, float32 (height, width, 3), sRGB in [0, 1], on the 8-bit grid."""

    degraded: np.ndarray
    truth: np.ndarray
    """Best that restoring can aim at: the clean photo, in grey where the old photo is black and white."""


def degraded_photo(clean: np.ndarray, degradation: DegradationSettings, *, seed: int) -> DegradedPhoto:
    """Degrade a photo (height, width, 3), as `pasd_batch.degradation.chain.degrade_photo` does with this seed."""
    pixels = torch.from_numpy(np.ascontiguousarray(clean.transpose(2, 0, 1)))[None]
    generator = torch.Generator().manual_seed(seed)
    batch = degrade_batch(pixels, settings=degradation, generator=generator)
    pictures = (picture[0].numpy().transpose(1, 2, 0) for picture in (batch.degraded, batch.targets))
    return DegradedPhoto(*map(on_8_bit_grid, pictures))


def chosen(names: Iterable[Item], count: int | None, *, seed: int) -> list[Item]:
    """`count` of the names (None: all), in order.

    The choice depends on seed and names alone, and a smaller one is part of every larger one.

    Raises:
        ValueError: there are fewer than `count`.
    """
    every = sorted(names, key=str)
    if count is not None and count > len(every):
        raise ValueError(f"{count} photos were asked for, but there are only {len(every)}; ask for fewer, or for all")
    return sorted(sorted(every, key=lambda name: photo_seed(seed, str(name)))[:count], key=str)


def cropped(photo: np.ndarray, scale: int, side: int | None) -> np.ndarray:
    """The middle of a photo, at most `side` pixels a side, in multiples of 8 and of the scale.

    Raises:
        ValueError: nothing would be left.
    """
    multiple = math.lcm(LATENT, scale)
    height, width = (min(length, side or length) // multiple * multiple for length in photo.shape[:2])
    if height == 0 or width == 0:
        raise ValueError(
            f"{min(side or photo.shape[0], *photo.shape[:2])} pixels a side are less than the {multiple} that the "
            "networks need; take a larger crop, or leave out the photo"
        )
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
