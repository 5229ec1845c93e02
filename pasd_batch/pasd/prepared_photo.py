"""A photo prepared for sampling: resized, padded, and with maps of the settings that vary over it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.pasd.differential_diffusion import KeptLatents
from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
from pasd_batch.pasd.kept_frequencies import keep_frequencies
from pasd_batch.pasd.padded_photo import PaddedPhoto
from pasd_batch.pasd.padding import Image, PhotoSizes
from pasd_batch.pasd.regions import Map, Region, composite_regions, mask_to_latents, resize_mask
from pasd_batch.pasd.restoration import PhotoRequest


@dataclass(frozen=True)
class PreparedPhoto:
    """A request with its sizes, its padded photo and its regions."""

    request: PhotoRequest
    sizes: PhotoSizes
    padded: PaddedPhoto
    regions: Sequence[Region]

    @property
    def latents(self) -> Size:
        """Size of the photo's latents."""
        return Size(self.sizes.padded.height // LATENT_FACTOR, self.sizes.padded.width // LATENT_FACTOR)

    def latent_map(self, base: float, own: Sequence[float | None]) -> Map:
        """Map of a setting over the latents: `base`, and in each region its value of `own` (None: `base` too)."""
        everywhere = torch.full((1, 1, self.latents.height, self.latents.width), base)
        values = [base if value is None else value for value in own]
        weights = [mask_to_latents(each.weight, self.sizes) for each in self.regions]
        return composite_regions(everywhere, list(zip(weights, values, strict=True)))

    def kept_frequencies(self, sampling: SamplingSettings) -> float:
        """`sampling.kept_frequencies` in cycles per pixel of the working size."""
        return sampling.kept_frequencies * self.sizes.original.width / self.sizes.working.width

    def with_frequencies(self, image: Image, source: Image) -> Image:
        """Replace a restored photo's low frequencies by the input's, up to the cutoffs of the photo and each region.

        `image` and `source` are in [0, 1] and of the working size, or, without regions, the same tile of it.
        """

        def kept(settings: SamplingSettings) -> Image:
            return keep_frequencies(image, source, self.kept_frequencies(settings)).clamp(0.0, 1.0)

        weights = [resize_mask(each.weight, self.sizes.working).to(image.device) for each in self.regions]
        regions = [(weight, kept(each.sampling)) for weight, each in zip(weights, self.regions, strict=True)]
        return composite_regions(kept(self.request.sampling), regions)


@dataclass(frozen=True)
class SamplingStart:
    """Initial latents of a photo."""

    latents: Float[Tensor, "1 channels height width"]
    kept: KeptLatents | None
    generator_state: Tensor
    """State of the photo's generator after the draws for them."""
