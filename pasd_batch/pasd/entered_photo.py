"""A photo on its way through the pipeline, with the settings that are not the same everywhere on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.restoration import SamplingSettings
from pasd_batch.pasd.framing import Frame, Image
from pasd_batch.pasd.kept_frequencies import keep_frequencies
from pasd_batch.pasd.kept_latents import KeptLatents
from pasd_batch.pasd.noise_draws import NoiseDraws
from pasd_batch.pasd.parts import Map, Region, at_latents, at_size, varied
from pasd_batch.pasd.restoration import PhotoRequest


@dataclass(frozen=True)
class EnteredPhoto:
    """A photo as it enters the networks."""

    request: PhotoRequest
    sizes: Frame
    framed: Image
    draws: NoiseDraws
    regions: Sequence[Region]

    def over_latents(self, base: float, own: Sequence[float | None]) -> Map:
        """A setting at every place of the latents: `own` in the regions (None: as elsewhere), `base` elsewhere."""
        everywhere = torch.full((1, 1, *self.draws.first.shape[2:]), base)
        values = [base if value is None else value for value in own]
        weights = [at_latents(each.weight, self.sizes) for each in self.regions]
        return varied(everywhere, list(zip(weights, values, strict=True)))

    def with_frequencies(self, image: Image, source: Image, sampling: SamplingSettings) -> Image:
        """A restored photo with the input's low frequencies, as far as `sampling` and each region keep them.

        Both pictures are of the working size, in [0, 1]; so is the result.
        """

        def kept(settings: SamplingSettings) -> Image:
            cut = settings.kept_frequencies * self.sizes.original.width / self.sizes.working.width
            return keep_frequencies(image, source, cut).clamp(0.0, 1.0)

        weights = [at_size(each.weight, self.sizes.working).to(image.device) for each in self.regions]
        regions = [(weight, kept(each.sampling)) for weight, each in zip(weights, self.regions, strict=True)]
        return varied(kept(sampling), regions)


@dataclass(frozen=True)
class Start:
    """Latents that sampling begins with, and those of the photo that are kept beside them."""

    latents: Float[Tensor, "1 channels height width"]
    kept: KeptLatents | None
