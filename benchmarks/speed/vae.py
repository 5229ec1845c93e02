"""The VAE in several precisions: its time, and its error against float32."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn

from pasd_batch.config.model import ModelSettings
from pasd_batch.pasd import vae_tiling
from pasd_batch.pasd.models import load_models
from speed.pictures import band_levels, error_levels, photograph, sky, values_16_bit
from speed.rows import Row
from speed.timing import peak_memory, typical

_WHOLE = 1024
"""A tile size that no picture here exceeds."""

_REPEATS = 3


@dataclass(frozen=True)
class Way:
    """A precision of the VAE."""

    name: str
    dtype: torch.dtype
    tf32: bool = False
    exact_end: bool = False
    """The decoder's last convolution is in float32, so that its pictures have all values."""


FLOAT32 = Way("float32", torch.float32)
WAYS = (
    FLOAT32,
    Way("TF32", torch.float32, tf32=True),
    Way("bfloat16", torch.bfloat16),
    Way("bfloat16, last layer float32", torch.bfloat16, exact_end=True),
    Way("float16, last layer float32", torch.float16, exact_end=True),
)


@contextmanager
def precision(vae: AutoencoderKL, way: Way) -> Iterator[None]:
    """The VAE in this precision for as long as the context lasts, its weights rounded from those in float32."""
    kept = {name: value.clone() for name, value in vae.state_dict().items()}
    allowed = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    dtype, last = vae.dtype, vae.decoder.conv_out
    try:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = way.tf32
        nn.Module.to(vae, dtype=way.dtype)
        if way.exact_end:
            nn.Module.to(last, dtype=torch.float32)
        yield
    finally:
        nn.Module.to(vae, dtype=dtype)
        nn.Module.to(last, dtype=torch.float32)
        vae.load_state_dict(kept)
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = allowed


def encoded(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Latents (their mean) of pictures in [0, 1], in float32."""
    dtype = vae.encoder.conv_in.weight.dtype
    return vae_tiling.encode(vae, (2 * pictures - 1).to(dtype), tile_size=_WHOLE).mean.float()


def decoded(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Pictures in about [0, 1], in float32."""
    return vae_tiling.decode(vae, latents.to(vae.decoder.conv_in.weight.dtype), tile_size=_WHOLE).float() / 2 + 0.5


def vae_rows(vae: AutoencoderKL, name: str, side: int, batches: tuple[int, ...]) -> Iterator[Row]:
    """Encoding and decoding a photo and a sky, in every precision and batch size."""
    pictures = torch.stack([photograph(side), sky(side)]).to(next(vae.parameters()).device)
    with precision(vae, FLOAT32):
        exact_latents = encoded(vae, pictures)
        exact = decoded(vae, exact_latents)
    for way in WAYS:
        with precision(vae, way):
            found = decoded(vae, exact_latents)
            latents = encoded(vae, pictures)
            error = float((latents - exact_latents).abs().max() / exact_latents.std())
            told = {
                "encode": f"largest error {error:.1e} of the latents' deviation",
                "decode": _told(found, exact),
            }
            for batch in batches:
                yield from _timings(vae, f"{name} {side}x{side}", way, batch, (pictures, exact_latents), told)


def _told(found: Tensor, exact: Tensor) -> str:
    largest = ", ".join(f"{kind} {error_levels(found[i], exact[i]):.2f}" for i, kind in enumerate(("photo", "sky")))
    shared = max(band_levels(found[i : i + 1], exact[i : i + 1]) for i in range(2))
    values = f"{values_16_bit(found[1]):,} of {values_16_bit(exact[1]):,} values"
    return f"largest error in levels of 256: {largest}; over 16x16 pixels {shared:.2f}; the sky has {values} at 16 bits"


def _timings(
    vae: AutoencoderKL, case: str, way: Way, batch: int, inputs: tuple[Tensor, Tensor], told: dict[str, str]
) -> Iterator[Row]:
    pictures, latents = (each[:1].repeat(batch, 1, 1, 1) for each in inputs)
    device = pictures.device
    actions = {"encode": lambda: encoded(vae, pictures), "decode": lambda: decoded(vae, latents)}
    alone = {"encode": encoded(vae, pictures[:1]), "decode": decoded(vae, latents[:1])}
    for name, action in actions.items():
        memory = peak_memory(action, device)
        seconds = typical(action, device, repeats=_REPEATS) / batch
        beside = told[name]
        if batch > 1:
            beside = "the same bits as alone" if torch.equal(action()[:1], alone[name]) else "other bits than alone"
        yield Row(f"VAE {name}, {case}", way.name, batch, seconds, None, memory, beside)


def embedded_rows(device: torch.device, side: int, batches: tuple[int, ...]) -> Iterator[Row]:
    """The embedded model's VAE, whose weights are trained."""
    models = load_models(ModelSettings(device=str(device)))
    yield from vae_rows(models.vae, "embedded model", side, batches)
