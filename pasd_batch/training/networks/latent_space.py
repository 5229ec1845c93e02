"""Check that two VAEs share a latent space: their encoders must be equal, their decoders need not."""

from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from pasd_batch.pasd.state_dict import CheckpointError

_ENCODER = ("encoder.", "quant_conv.")


def is_encoder(name: str) -> bool:
    """True if a VAE's tensor belongs to its encoder, which defines the latent space."""
    return name.startswith(_ENCODER)


def check_same_latents(vae: AutoencoderKL, denoiser_vae: AutoencoderKL, folder: Path) -> None:
    """Compare the layers of two VAEs and, in float16, their encoders' weights.

    Raises:
        CheckpointError: the VAE in `folder` is not one for the denoiser.
    """
    weights, own = vae.state_dict(), denoiser_vae.state_dict()
    if weights.keys() != own.keys():
        raise CheckpointError(f"{folder}: its VAE has other layers than that of the denoiser")
    encoder = [name for name in own if is_encoder(name)]
    if other := [name for name in encoder if not torch.equal(weights[name].half(), own[name].half())]:
        raise CheckpointError(
            f"{folder}: its encoder is not the one that the denoiser was trained with ({len(other)} tensors differ, "
            f"such as {other[0]}); train the decoder with decoder_only on the same encoder"
        )
