"""A photo as the networks see it, at its working size and padded: whole, or made part by part where it is large."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pasd_batch.pasd import framing
from pasd_batch.pasd.framing import Frame, Image
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.levels import as_floats
from pasd_batch.pasd.memory import WHOLE_PIXELS
from pasd_batch.pasd.resampling import resized_part
from pasd_batch.pasd.tiling import Tile


@dataclass(frozen=True)
class FramedPhoto:
    """A photo at its padded size, in [0, 1], float32."""

    photo: Tensor
    """(1, 3, height, width) as it came, on the CPU: float32 in [0, 1], uint8 or uint16."""

    sizes: Frame
    device: torch.device
    """Device that parts are put on."""

    whole: Image | None
    """The padded photo there; None where it is large."""

    @classmethod
    def of(cls, photo: Tensor, sizes: Frame, device: torch.device, *, is_whole: bool = False) -> "FramedPhoto":
        """Scale and pad a photo; a large one only when parts of it are asked for, unless it has to be whole."""
        if is_large(sizes) and not is_whole:
            return cls(photo, sizes, device, None)
        # Only a minimal short side of thousands of pixels makes what is not large too large for the device.
        fits = max(sizes.original.area, sizes.padded.area) <= WHOLE_PIXELS
        entered = framing.enter(as_floats(photo).to(device if fits else "cpu"), sizes)
        return cls(photo, sizes, device, entered.to(device))

    @property
    def size(self) -> Size:
        """The padded size."""
        return self.sizes.padded

    def part(self, tile: Tile) -> Image:
        """A tile of the padded photo, in its pixels, on the device."""
        if self.whole is not None:
            return tile.crop(self.whole)
        rows = _places(tile.top, tile.size.height, self.sizes.working.height, self.size.height)
        columns = _places(tile.left, tile.size.width, self.sizes.working.width, self.size.width)
        top, left = int(rows.min()), int(columns.min())
        needed = Tile(top, left, Size(int(rows.max()) + 1 - top, int(columns.max()) + 1 - left))
        made = resized_part(self.photo, self.sizes.working, needed)
        return made[:, :, rows - top][:, :, :, columns - left].to(self.device)


def is_large(sizes: Frame) -> bool:
    """True if a photo of these sizes is never there as a whole in float32."""
    return sizes.target == sizes.working and max(sizes.original.area, sizes.padded.area) > WHOLE_PIXELS


def _places(start: int, count: int, length: int, padded: int) -> Tensor:
    """Pixels of the unpadded side that a part of the padded one shows."""
    return framing.reflected(length, padded)[start : start + count]
