"""Random numbers of a photo, a function of its seed and size."""

from math import prod

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.memory import FULL_PRECISION_NOISE

_PART = 1 << 24
"""Numbers that are drawn at once of noise that is not held in float32; torch gives those of a single draw if it is a
multiple of 16."""


class NoiseDraws:
    """Noise of one photo, drawn on the CPU over the whole latents, independent of tiles and device.

    All draws are from one seed, in a fixed order, and made on request: each is as large as the latents, in float32 or,
    of a very large photo, in float16 (`FULL_PRECISION_NOISE`).
    """

    def __init__(self, seed: int, channels: int, size: Size) -> None:
        self._generator = Generator().manual_seed(seed)
        self._channels = channels
        self._size = size

    def posterior(self) -> Float[Tensor, "1 channels height width"]:
        """Noise of the VAE's posterior; the first draw."""
        return self._draw(self._size)

    def training_noise(self) -> Float[Tensor, "1 channels height width"]:
        """Noise to the first timestep, as in training; the second draw."""
        return self._draw(self._size)

    def ans_noise(self) -> Float[Tensor, "1 channels height width"]:
        """Noise z'' of the adjustable noise schedule; the third draw."""
        return self._draw(self._size)

    def offset(self) -> Float[Tensor, "1 channels 1 1"]:
        """Offset noise, a constant per channel; the fourth draw."""
        return self._draw(Size(1, 1))

    def state(self) -> Tensor:
        """State of the generator after these draws, for schedulers that draw noise at every step."""
        return self._generator.get_state()

    def _draw(self, size: Size) -> Tensor:
        shape = (1, self._channels, size.height, size.width)
        if prod(shape) <= FULL_PRECISION_NOISE:
            return torch.randn(shape, generator=self._generator)
        noise = torch.empty(shape, dtype=torch.float16)
        for part in noise.view(-1).split(_PART):
            part.copy_(torch.randn(len(part), generator=self._generator))
        return noise
