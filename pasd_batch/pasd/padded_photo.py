"""A photo resized to its working size and padded: held whole, or computed tile by tile if it is large."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pasd_batch.pasd import padding
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.memory import WHOLE_PIXELS
from pasd_batch.pasd.padding import Image, PhotoSizes
from pasd_batch.pasd.pixel_dtypes import to_float
from pasd_batch.pasd.resampling import resized_part
from pasd_batch.pasd.tiling import Tile


@dataclass(frozen=True)
class PaddedPhoto:
    """A photo at its padded size, in [0, 1], float32."""

    photo: Tensor
    """The input (1, 3, height, width), on the CPU: float32 in [0, 1], uint8 or uint16."""

    sizes: PhotoSizes
    device: torch.device
    """Device of the tiles."""

    whole: Image | None
    """The padded photo on the device; None if it is large."""

    @classmethod
    def of(cls, photo: Tensor, sizes: PhotoSizes, device: torch.device, *, is_whole: bool = False) -> "PaddedPhoto":
        """Resize and pad a photo now, or, if it is large and need not be whole, tile by tile in `part`."""
        if is_large(sizes) and not is_whole:
            return cls(photo, sizes, device, None)
        # A photo that is not large exceeds this only with a `min_short_side` of thousands of pixels.
        fits = max(sizes.original.area, sizes.padded.area) <= WHOLE_PIXELS
        resized = padding.resize_and_pad(to_float(photo).to(device if fits else "cpu"), sizes)
        return cls(photo, sizes, device, resized.to(device))

    @property
    def size(self) -> Size:
        """The padded size."""
        return self.sizes.padded

    def part(self, tile: Tile) -> Image:
        """A tile of the padded photo, in pixels of it, on the device."""
        if self.whole is not None:
            return tile.crop(self.whole)
        rows = _places(tile.top, tile.size.height, self.sizes.working.height, self.size.height)
        columns = _places(tile.left, tile.size.width, self.sizes.working.width, self.size.width)
        top, left = int(rows.min()), int(columns.min())
        needed = Tile(top, left, Size(int(rows.max()) + 1 - top, int(columns.max()) + 1 - left))
        made = resized_part(self.photo, self.sizes.working, needed)
        return made[:, :, rows - top][:, :, :, columns - left].to(self.device)


def is_large(sizes: PhotoSizes) -> bool:
    """True if a photo of these sizes is never held whole in float32."""
    return sizes.target == sizes.working and max(sizes.original.area, sizes.padded.area) > WHOLE_PIXELS


def _places(start: int, count: int, length: int, padded: int) -> Tensor:
    """Indices on the unpadded axis for `count` indices from `start` on the padded axis."""
    return padding.reflection_indices(length, padded)[start : start + count]
