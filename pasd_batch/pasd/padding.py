"""Resizing and padding of a photo for the networks, and cropping of the padding; the aspect ratio never changes."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from pasd_batch.pasd.geometry import Size

Image = Float[Tensor, "1 channels _height _width"]

LONG_SIDE_LIMIT = 2
"""Limit of the long side, in multiples of the minimal short side, when a small target is enlarged."""


@dataclass(frozen=True)
class PhotoSizes:
    """Sizes of a photo at each step of the pipeline."""

    original: Size
    """The input photo."""

    target: Size
    """Size of the result: round(original x scale)."""

    working: Size
    """Size at which the networks restore: the target, enlarged if its short side is below the minimum."""

    padded: Size
    """The working size padded to the multiple that the networks need."""


def choose_sizes(original: Size, *, scale: float, min_short_side: int, multiple: int) -> PhotoSizes:
    """Choose the sizes for a photo.

    A target whose short side is below `min_short_side` is enlarged to it, but not beyond a long side of
    `LONG_SIDE_LIMIT` times that minimum: a strip of pixels would become a huge picture.
    """
    target = original.scaled(scale)
    wanted = min_short_side / target.short_side
    affordable = max(1.0, LONG_SIDE_LIMIT * min_short_side / target.long_side)
    working = target.scaled(max(1.0, min(wanted, affordable)))
    return PhotoSizes(original, target, working, working.padded_to(multiple))


def resize_and_pad(photo: Image, sizes: PhotoSizes) -> Image:
    """Resize a photo to its working size and reflection-pad it at the bottom and the right."""
    resized = resize(photo, sizes.working)
    rows = reflection_indices(sizes.working.height, sizes.padded.height).to(photo.device)
    columns = reflection_indices(sizes.working.width, sizes.padded.width).to(photo.device)
    return resized[:, :, rows][:, :, :, columns]


def crop_padding(restored: Image, sizes: PhotoSizes) -> Image:
    """Crop a padded picture to the working size."""
    return restored[:, :, : sizes.working.height, : sizes.working.width]


def resize(image: Image, size: Size) -> Image:
    """Antialiased bicubic resize within [0, 1]; the same picture if the size is already right."""
    if Size.of(image) == size:
        return image
    resized = interpolate(image, (size.height, size.width), mode="bicubic", antialias=True, align_corners=False)
    return resized.clamp(0.0, 1.0)


def reflection_indices(length: int, padded: int) -> Tensor:
    """Indices 0..length-1, continued to `padded` indices by reflection without repeating the border pixel."""
    period = max(1, 2 * (length - 1))
    phase = torch.arange(padded) % period
    return torch.where(phase < length, phase, period - phase)
