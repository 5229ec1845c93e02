"""A photo on its way through the pipeline, with the settings that are not the same everywhere on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.pasd.framed_photo import FramedPhoto
from pasd_batch.pasd.framing import Frame, Image
from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
from pasd_batch.pasd.kept_frequencies import keep_frequencies
from pasd_batch.pasd.kept_latents import KeptLatents
from pasd_batch.pasd.parts import Map, Region, at_latents, at_size, varied
from pasd_batch.pasd.restoration import PhotoRequest


@dataclass(frozen=True)
class EnteredPhoto:
    """A photo as it enters the networks."""

    request: PhotoRequest
    sizes: Frame
    framed: FramedPhoto
    regions: Sequence[Region]

    @property
    def latents(self) -> Size:
        """Size of the photo's latents."""
        return Size(self.sizes.padded.height // LATENT_FACTOR, self.sizes.padded.width // LATENT_FACTOR)

    def over_latents(self, base: float, own: Sequence[float | None]) -> Map:
        """A setting at every place of the latents: `own` in the regions (None: as elsewhere), `base` elsewhere."""
        everywhere = torch.full((1, 1, self.latents.height, self.latents.width), base)
        values = [base if value is None else value for value in own]
        weights = [at_latents(each.weight, self.sizes) for each in self.regions]
        return varied(everywhere, list(zip(weights, values, strict=True)))

    def kept_frequencies(self, sampling: SamplingSettings) -> float:
        """Those that settings keep, in cycles per pixel of the working size."""
        return sampling.kept_frequencies * self.sizes.original.width / self.sizes.working.width

    def with_frequencies(self, image: Image, source: Image, sampling: SamplingSettings) -> Image:
        """A restored photo with the input's low frequencies, as far as `sampling` and each region keep them.

        Both pictures are of the working size, or the same part of it where there are no regions, in [0, 1]; so is the
        result.
        """

        def kept(settings: SamplingSettings) -> Image:
            return keep_frequencies(image, source, self.kept_frequencies(settings)).clamp(0.0, 1.0)

        weights = [at_size(each.weight, self.sizes.working).to(image.device) for each in self.regions]
        regions = [(weight, kept(each.sampling)) for weight, each in zip(weights, self.regions, strict=True)]
        return varied(kept(sampling), regions)


@dataclass(frozen=True)
class Start:
    """Latents that sampling begins with, and those of the photo that are kept beside them."""

    latents: Float[Tensor, "1 channels height width"]
    kept: KeptLatents | None
    later_draws: Tensor
    """State of the photo's generator behind what was drawn for them."""
