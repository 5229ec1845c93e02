"""The random numbers of a photo, which depend on its seed and size alone."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from pasd_batch.pasd.geometry import Size


@dataclass(frozen=True)
class NoiseDraws:
    """All noise of one photo, drawn on the CPU over the whole latent, so that no tiling can change it."""

    posterior: Float[Tensor, "1 channels height width"]
    first: Float[Tensor, "1 channels height width"]
    second: Float[Tensor, "1 channels height width"]
    offset: Float[Tensor, "1 channels 1 1"]
    later: Tensor
    """State of the generator behind these draws, for schedulers that draw at every step."""

    @classmethod
    def from_seed(cls, seed: int, channels: int, size: Size) -> "NoiseDraws":
        """Draw everything from one seed, always in the same order."""
        generator = Generator().manual_seed(seed)

        def draw(height: int, width: int) -> Tensor:
            return torch.randn(1, channels, height, width, generator=generator)

        posterior, first, second = (draw(size.height, size.width) for _ in range(3))
        return cls(posterior, first, second, draw(1, 1), generator.get_state())
