"""Networks of the published size with random weights, made where they run: nothing is read or downloaded."""

import tempfile
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from pasd_batch.config.model import ModelSettings
from pasd_batch.pasd.checkpoint import BaseModel
from pasd_batch.pasd.device import choose_device
from pasd_batch.pasd.models import Models, place_models
from pasd_batch.pasd.untrained import (
    SCHEDULER_CONFIG,
    Architecture,
    build_networks,
    build_text_encoder,
    build_vae,
    save_byte_tokenizer,
)

_DECODED_STD = 0.3
"""Contrast of decoded pictures, about that of photos in [-1, 1]."""


def random_models(architecture: Architecture, settings: ModelSettings) -> Models:
    """Everything that a restorer needs, placed as the settings say; their folders are not looked at."""
    device = choose_device(settings.device)
    with tempfile.TemporaryDirectory() as passing, torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        tokenizer = save_byte_tokenizer(Path(passing))
        unet, branch = build_networks(architecture)
        vae = build_vae(architecture)
        _give_contrast(vae, device)
        base = BaseModel(vae, build_text_encoder(architecture, tokenizer), tokenizer, SCHEDULER_CONFIG)
        return place_models(unet, branch, base, settings)


@torch.inference_mode()
def _give_contrast(vae: AutoencoderKL, device: torch.device) -> None:
    """Without it a random decoder gives nearly one colour, which a restorer rightly takes for a failure."""
    latents = torch.randn(1, vae.config["latent_channels"], 16, 16, device=device)
    gain = _DECODED_STD / cast(Any, vae).decode(latents, return_dict=False)[0].std()
    for parameter in vae.decoder.conv_out.parameters():
        parameter.mul_(gain)
