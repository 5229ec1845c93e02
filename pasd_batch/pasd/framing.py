"""From a photo to what the networks work on, and back: scaled and padded, never stretched."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from pasd_batch.pasd.geometry import Size

Image = Float[Tensor, "1 channels _height _width"]

LONG_SIDE_LIMIT = 2
"""Enlarging to the minimal short side stops where the long side reaches this many times that minimum."""


@dataclass(frozen=True)
class Frame:
    """The sizes that a photo goes through."""

    original: Size
    """The photo as it came."""

    target: Size
    """Size that is asked for: round(original x scale)."""

    working: Size
    """Size that the networks restore: the target, enlarged where it is small."""

    padded: Size
    """The working size padded to the multiple that the networks need."""


def frame(original: Size, *, scale: float, min_short_side: int, multiple: int) -> Frame:
    """Choose the sizes for a photo.

    A target whose short side is below `min_short_side` is worked on enlarged; for long thin photos only until the
    long side is `LONG_SIDE_LIMIT` times that minimum, or a strip of pixels would become a huge picture.
    """
    target = original.scaled(scale)
    wanted = min_short_side / target.short_side
    affordable = max(1.0, LONG_SIDE_LIMIT * min_short_side / target.long_side)
    working = target.scaled(max(1.0, min(wanted, affordable)))
    return Frame(original, target, working, working.padded_to(multiple))


def enter(photo: Image, sizes: Frame) -> Image:
    """Resize a photo to its working size and pad it, at the bottom and the right, by reflection."""
    resized = resize(photo, sizes.working)
    rows = reflected(sizes.working.height, sizes.padded.height).to(photo.device)
    columns = reflected(sizes.working.width, sizes.padded.width).to(photo.device)
    return resized[:, :, rows][:, :, :, columns]


def leave(restored: Image, sizes: Frame) -> Image:
    """Cut the padding off, leaving the working size."""
    return restored[:, :, : sizes.working.height, : sizes.working.width]


def resize(image: Image, size: Size) -> Image:
    """Antialiased bicubic resize within [0, 1]; the same picture if the size is already right."""
    if Size.of(image) == size:
        return image
    resized = interpolate(image, (size.height, size.width), mode="bicubic", antialias=True, align_corners=False)
    return resized.clamp(0.0, 1.0)


def reflected(length: int, padded: int) -> Tensor:
    """Indices 0..length-1 continued by reflection (the border pixel is not repeated) to `padded` of them."""
    period = max(1, 2 * (length - 1))
    phase = torch.arange(padded) % period
    return torch.where(phase < length, phase, period - phase)
