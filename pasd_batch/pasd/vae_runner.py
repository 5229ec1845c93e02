"""The VAE as a restorer runs it: in its precision, and launched by CUDA graphs where a photo is one tile.

A photo's encoding and decoding are some 500 kernels, which for one photo of 512x512 take nearly as long to launch as
to compute. Photos go through it one by one: together they would need a batch of one size that is always full, for no
photo to depend on its neighbours.
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
    """A VAE, where it may round, and what launches its kernels."""

    vae: AutoencoderKL
    tf32: bool
    """True if float32 numbers may be multiplied with TF32's bits on CUDA."""

    graphs: NetworkGraphs | None = None
    """Recordings of its kernels; none: they are launched one by one."""

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
            # Tiles go to main memory and back, which is nothing to record.
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
