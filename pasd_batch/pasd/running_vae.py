"""The VAE as a restorer runs it: in its precision, and launched by CUDA graphs where a photo is one tile.

A photo's encoding and decoding are some 500 kernels, which for one photo of 512x512 take nearly as long to launch as
to compute. Photos go through it one by one: together they would need a batch of one size that is always full, for no
photo to depend on its neighbours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor

from pasd_batch.pasd import vae_tiling
from pasd_batch.pasd.device import float32_products
from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
from pasd_batch.pasd.graphs import NetworkGraphs
from pasd_batch.pasd.vae_tiling import Posterior


@dataclass(frozen=True)
class RunningVae:
    """A VAE, where it may round, and what launches its kernels."""

    vae: AutoencoderKL
    tf32: bool
    """True if float32 numbers may be multiplied with TF32's bits on CUDA."""

    graphs: NetworkGraphs | None = None
    """Recordings of its kernels; none: they are launched one by one."""

    def encode(self, image: Float[Tensor, "batch 3 height width"], *, tile_size: int) -> Posterior:
        """Encode photos in [-1, 1], as `vae_tiling.encode`."""
        size = Size.of(image)
        latents = Size(size.height // LATENT_FACTOR, size.width // LATENT_FACTOR)

        def network(image: Tensor) -> Tensor:
            posterior = vae_tiling.encode(self.vae, image, tile_size=tile_size)
            return torch.cat([posterior.mean, posterior.std], dim=1)

        mean, std = self._run("encode", network, image.to(self.vae.dtype), latents, tile_size).chunk(2, dim=1)
        return Posterior(mean, std)

    def decode(
        self, latents: Float[Tensor, "batch channels height width"], *, tile_size: int
    ) -> Float[Tensor, "batch 3 8*height 8*width"]:
        """Decode unscaled latents, as `vae_tiling.decode`."""

        def network(latents: Tensor) -> Tensor:
            return vae_tiling.decode(self.vae, latents, tile_size=tile_size)

        return self._run("decode", network, latents.to(self.vae.dtype), Size.of(latents), tile_size)

    def _run(
        self, name: str, network: Callable[[Tensor], Tensor], values: Tensor, latents: Size, tile_size: int
    ) -> Tensor:
        with float32_products(tf32=self.tf32):
            # Tiles go to main memory and back, which is nothing to record.
            if self.graphs is None or not vae_tiling.is_one_tile(latents, tile_size):
                return network(values)
            return self.graphs.run(("vae", name), network, (values,))
