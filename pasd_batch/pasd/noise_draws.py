"""The random numbers of a photo, which depend on its seed and size alone."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from pasd_batch.pasd.geometry import Size


class NoiseDraws:
    """All noise of one photo, drawn on the CPU over the whole latent, so that no tiling can change it.

    Everything is drawn from one seed, always in the same order, and only when it is asked for: of a large photo each
    is as large as its latents.
    """

    def __init__(self, seed: int, channels: int, size: Size) -> None:
        self._generator = Generator().manual_seed(seed)
        self._channels = channels
        self._size = size

    def posterior(self) -> Float[Tensor, "1 channels height width"]:
        """For the VAE's gaussian; the first draw."""
        return self._draw(self._size)

    def first(self) -> Float[Tensor, "1 channels height width"]:
        """Noise of training; the second draw."""
        return self._draw(self._size)

    def second(self) -> Float[Tensor, "1 channels height width"]:
        """Noise of the adjustable schedule; the third draw."""
        return self._draw(self._size)

    def offset(self) -> Float[Tensor, "1 channels 1 1"]:
        """A constant per channel; the fourth draw."""
        return self._draw(Size(1, 1))

    def later(self) -> Tensor:
        """State of the generator behind these draws, for schedulers that draw at every step."""
        return self._generator.get_state()

    def _draw(self, size: Size) -> Tensor:
        return torch.randn(1, self._channels, size.height, size.width, generator=self._generator)
