"""Masks and regions of a photo: where it is not restored, and where it is restored with another fidelity.

Masks have the size of the input photo and values from 0 to 1. They are resized to the latents for denoising and to the
result for compositing. A value of 0 stays 0 when it is resized, so that pixels outside a mask are kept exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.pasd import padding
from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
from pasd_batch.pasd.padding import PhotoSizes
from pasd_batch.records import FoundBox

Map = Float[Tensor, "1 1 _height _width"]

_SNAP_DISTANCE = 1.0 / 256.0
"""Resized values this close to 0 or 1 become 0 or 1."""


@dataclass(frozen=True, eq=False)
class PhotoRegions:
    """A photo's mask and detected boxes; both are in pixels of `photo`."""

    photo: Float[Tensor, "3 height width"]
    """The input photo, before any pass: sRGB in [0, 1], float32, on the CPU."""

    mask: Float[Tensor, "height width"] | None = None
    """Weight of the restoration, 0 (the input) to 1, float32, on the CPU; None: 1 everywhere."""

    boxes: tuple[FoundBox, ...] = field(default=())
    """Detected objects."""

    def mask_weight(self, feather: int) -> Map | None:
        """Feathered mask: the weight of the restoration at every pixel; None: 1 everywhere."""
        return None if self.mask is None else feather_mask(self.mask[None, None], feather)

    def composite(self, restored: Float[Tensor, "3 _h _w"], feather: int) -> Float[Tensor, "3 _h _w"]:
        """Composite a restored photo over the resized input by the feathered mask; where it is 0, the input exactly."""
        share = self.mask_weight(feather)
        if share is None:
            return restored
        size = Size.of(restored)
        weight, result = resize_mask(share, size)[0, 0], torch.empty_like(restored)
        for channel, values in enumerate(restored):  # one at a time, since results may be large
            own = padding.resize(self.photo[None, channel : channel + 1], size)[0, 0]
            mixed = own + weight * (values - own)
            result[channel] = torch.where(weight == 0.0, own, torch.where(weight == 1.0, values, mixed))
        return result


@dataclass(frozen=True, eq=False)
class Region:
    """A region of a photo that is restored with its own settings."""

    weight: Map
    sampling: SamplingSettings
    """Settings at the region's fidelity (`SamplingSettings.at_fidelity`)."""


def settings_of_regions(sampling: SamplingSettings) -> list[SamplingSettings]:
    """Settings of each region at its fidelity, in the order of `sampling.regions`."""
    return [sampling.model_copy(update={"fidelity": each.fidelity}).at_fidelity() for each in sampling.regions]


def regions_of(photo: PhotoRegions | None, sampling: SamplingSettings) -> list[Region]:
    """Regions with at least one detected object, in rising order of fidelity; later ones cover earlier ones."""
    if photo is None:
        return []
    regions = []
    pairs = zip(sampling.regions, settings_of_regions(sampling), strict=True)
    for wanted, moved in sorted(pairs, key=lambda pair: pair[0].fidelity):
        boxes = [box for box in photo.boxes if box.name.strip().casefold() == wanted.key]
        if boxes:
            outside = feather_mask(_outside(boxes, Size.of(photo.photo)), sampling.feather)
            regions.append(Region(1.0 - outside, moved))
    return regions


def composite_regions(base: Tensor, regions: Sequence[tuple[Map, Tensor | float]]) -> Tensor:
    """Alpha-composite the values of regions over `base`, one after the other."""
    values = base
    for weight, own in regions:
        values = torch.where(weight == 1.0, torch.as_tensor(own), values + weight * (own - values))
    return values


def feather_mask(mask: Map, feather: int) -> Map:
    """Feather a mask inwards, over `feather` pixels from its zeros; the result is nowhere above the mask.

    It is the mean of the mask's erosions by 1 to `feather` pixels. Lines thinner than `feather` end below 1.
    """
    if not feather:
        return mask
    eroded, total = mask, torch.zeros_like(mask)
    for _ in range(feather):
        eroded = -max_pool2d(-eroded, 3, stride=1, padding=1)
        total += eroded
    return total / feather


def resize_mask(share: Map, size: Size) -> Map:
    """Resize a mask bilinearly, antialiased; 0 wherever the mask is 0 at the nearest input pixel."""
    if Size.of(share) == size:
        return _snap(share)
    shape = (size.height, size.width)
    scaled = _snap(interpolate(share, shape, mode="bilinear", antialias=True, align_corners=False))
    return torch.where(interpolate(share, shape, mode="nearest-exact") == 0.0, 0.0, scaled)


def mask_to_latents(share: Map, sizes: PhotoSizes) -> Map:
    """A mask at the size of the photo's latents: the mean over the pixels of each latent pixel."""
    return _snap(avg_pool2d(padding.resize_and_pad(share, sizes), LATENT_FACTOR))


def _outside(boxes: Sequence[FoundBox], size: Size) -> Map:
    """A mask that is 0 inside boxes and 1 elsewhere."""
    outside = torch.ones(1, 1, size.height, size.width)
    for box in boxes:
        outside[..., max(0, box.top) : max(0, box.bottom), max(0, box.left) : max(0, box.right)] = 0.0
    return outside


def _snap(share: Map) -> Map:
    share = torch.where(share < _SNAP_DISTANCE, 0.0, share)
    return torch.where(share > 1.0 - _SNAP_DISTANCE, 1.0, share)
