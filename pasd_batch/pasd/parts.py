"""Parts of a photo: what a mask leaves as it is, and regions that have a fidelity of their own.

Maps are of the photo as it came, 0 to 1, and are scaled to whatever is worked on: to latents for denoising, to the
result for its pixels. Where one is 0 it stays 0, so that what is left out is left out exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.pasd import framing
from pasd_batch.pasd.framing import Frame
from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
from pasd_batch.records import FoundBox

Map = Float[Tensor, "1 1 _height _width"]

_NEARLY = 1.0 / 256.0
"""Distance from 0 and from 1 within which scaled values are 0 or 1."""


@dataclass(frozen=True, eq=False)
class PhotoParts:
    """Parts of a photo that are not restored as the rest of it is; sizes and places are those of `photo`."""

    photo: Float[Tensor, "3 height width"]
    """The photo as it came, before any pass: sRGB in [0, 1], float32, on the CPU."""

    mask: Float[Tensor, "height width"] | None = None
    """1: restored, 0: left as it is, between them both, float32, on the CPU; None: restored everywhere."""

    boxes: tuple[FoundBox, ...] = field(default=())
    """Things that were found."""

    def restored(self, feather: int) -> Map | None:
        """Share of the restoration at every place; None: all of it everywhere."""
        return None if self.mask is None else faded_in(self.mask[None, None], feather)

    def left(self, restored: Float[Tensor, "3 _h _w"], feather: int) -> Float[Tensor, "3 _h _w"]:
        """A restored photo with what the mask leaves: the photo's own enlargement there, exactly."""
        share = self.restored(feather)
        if share is None:
            return restored
        size = Size.of(restored)
        weight, result = at_size(share, size)[0, 0], torch.empty_like(restored)
        for channel, values in enumerate(restored):  # one after the other, for results are large
            own = framing.resize(self.photo[None, channel : channel + 1], size)[0, 0]
            mixed = own + weight * (values - own)
            result[channel] = torch.where(weight == 0.0, own, torch.where(weight == 1.0, values, mixed))
        return result


@dataclass(frozen=True, eq=False)
class Region:
    """A part of a photo that is restored with settings of its own."""

    weight: Map
    sampling: SamplingSettings
    """Settings with those that the dial of fidelity has moved."""


def settings_of_regions(sampling: SamplingSettings) -> list[SamplingSettings]:
    """Settings in each of the regions, with those that the dial of fidelity moves, in the order of `sampling`."""
    return [sampling.model_copy(update={"fidelity": each.fidelity}).at_fidelity() for each in sampling.regions]


def regions_of(parts: PhotoParts | None, sampling: SamplingSettings) -> list[Region]:
    """The regions of a photo in which something was found, the higher fidelity behind the lower."""
    if parts is None:
        return []
    regions = []
    pairs = zip(sampling.regions, settings_of_regions(sampling), strict=True)
    for wanted, moved in sorted(pairs, key=lambda pair: pair[0].fidelity):
        boxes = [box for box in parts.boxes if box.name.strip().casefold() == wanted.key]
        if boxes:
            outside = faded_in(_without(boxes, Size.of(parts.photo)), sampling.feather)
            regions.append(Region(1.0 - outside, moved))
    return regions


def varied(base: Tensor, regions: Sequence[tuple[Map, Tensor | float]]) -> Tensor:
    """Values for every place: `base`, and in each region its own in place of what is below it."""
    values = base
    for weight, own in regions:
        values = torch.where(weight == 1.0, torch.as_tensor(own), values + weight * (own - values))
    return values


def faded_in(mask: Map, feather: int) -> Map:
    """A mask that rises from its dark parts over `feather` pixels, and is nowhere above itself.

    The mean of its erosions by 1 to `feather` pixels: dark parts stay as they are, and so does what is far from them;
    lines that are thinner than the feather are let through in part.
    """
    if not feather:
        return mask
    eroded, total = mask, torch.zeros_like(mask)
    for _ in range(feather):
        eroded = -max_pool2d(-eroded, 3, stride=1, padding=1)
        total += eroded
    return total / feather


def at_size(share: Map, size: Size) -> Map:
    """A map at another size, without overshoots; 0 where the place that a pixel's middle lies in is 0."""
    if Size.of(share) == size:
        return _settled(share)
    shape = (size.height, size.width)
    scaled = _settled(interpolate(share, shape, mode="bilinear", antialias=True, align_corners=False))
    return torch.where(interpolate(share, shape, mode="nearest-exact") == 0.0, 0.0, scaled)


def at_latents(share: Map, sizes: Frame) -> Map:
    """A map at the size of a photo's latents: the mean over the pixels of each."""
    return _settled(avg_pool2d(framing.enter(share, sizes), LATENT_FACTOR))


def _without(boxes: Sequence[FoundBox], size: Size) -> Map:
    """A map that is 0 in boxes and 1 elsewhere."""
    outside = torch.ones(1, 1, size.height, size.width)
    for box in boxes:
        outside[..., max(0, box.top) : max(0, box.bottom), max(0, box.left) : max(0, box.right)] = 0.0
    return outside


def _settled(share: Map) -> Map:
    share = torch.where(share < _NEARLY, 0.0, share)
    return torch.where(share > 1.0 - _NEARLY, 1.0, share)
