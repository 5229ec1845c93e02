"""Execution of the VAE: in its precision, and by CUDA graphs if a photo is one tile.

Encoding and decoding are some 500 kernels, which for a photo of 512x512 take nearly as long to launch as to compute.
Photos are processed one by one: batches would have to be of one size and always full, so that no photo depends on
others.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from pasd_batch.pasd import vae_tiling
from pasd_batch.pasd.cuda_graphs import NetworkGraphs
from pasd_batch.pasd.device import float32_matmul_precision
from pasd_batch.pasd.geometry import LATENT_FACTOR, Size
from pasd_batch.pasd.tiled_features import MappedSource, Source, TensorSource, TiledFeatures
from pasd_batch.pasd.tiling import Tile


@dataclass(frozen=True)
class VaeRunner:
    """A VAE with its precision and CUDA graphs."""

    vae: AutoencoderKL
    tf32: bool
    """True if float32 products may use TF32 on CUDA."""

    graphs: NetworkGraphs | None = None
    """CUDA graphs of its kernels; None: eager execution."""

    def encoding(self, photo: Source, *, tile_size: int) -> AbstractContextManager[TiledFeatures]:
        """The encoder's moments of a photo in [-1, 1], as `vae_tiling.encoding`."""
        latents = Size(photo.size.height // LATENT_FACTOR, photo.size.width // LATENT_FACTOR)
        return self._features("encode", vae_tiling.encoding, photo, latents, tile_size)

    def decoding(self, latents: Source, *, tile_size: int) -> AbstractContextManager[TiledFeatures]:
        """The pixels of unscaled latents, as `vae_tiling.decoding`."""
        return self._features("decode", vae_tiling.decoding, latents, latents.size, tile_size)

    @contextmanager
    def _features(
        self,
        name: str,
        features: Callable[..., AbstractContextManager[TiledFeatures]],
        source: Source,
        latents: Size,
        tile_size: int,
    ) -> Iterator[TiledFeatures]:
        source = MappedSource(source, lambda values: values.to(self.vae.dtype))
        precision = partial(float32_matmul_precision, tf32=self.tf32)
        if not vae_tiling.is_one_tile(latents, tile_size):
            # Tiles are copied to main memory and back, which a CUDA graph cannot capture.
            with features(self.vae, source, tile_size=tile_size, precision=precision) as made:
                yield made
            return

        def network(values: Tensor) -> Tensor:
            with features(self.vae, TensorSource(values, values.device), tile_size=tile_size) as made:
                return made.whole()

        values = source.part(Tile(0, 0, source.size))
        with precision():
            whole = network(values) if self.graphs is None else self.graphs.run(("vae", name), network, (values,))
        yield TiledFeatures(
            TensorSource(whole, whole.device), 1 if name == "encode" else LATENT_FACTOR, [Tile(0, 0, latents)]
        )
