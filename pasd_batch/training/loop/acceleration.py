"""Channels-last layout, compilation and TF32 of the training's networks, for speed."""

from collections.abc import Sequence

import torch
from diffusers.models.autoencoders.vae import Decoder, Encoder
from torch import nn

from pasd_batch.config.model import Precision
from pasd_batch.config.trainer import TrainerSettings
from pasd_batch.pasd.channels_last import keep_norms_channels_last, run_channels_last


def accelerate(networks: Sequence[nn.Module], settings: TrainerSettings) -> None:
    """Convert networks to channels-last and compile them, as the settings ask; names and values of weights stay.

    In low precision, what stays in float32 (the VAE) may use TensorFloat-32 on GPUs that have it.
    """
    for network in networks:
        if settings.channels_last:
            _lay_out(network)
        if settings.compile:
            network.compile()
    if settings.precision is not Precision.FLOAT32:
        torch.backends.cuda.matmul.allow_tf32 = True


def _lay_out(network: nn.Module) -> None:
    if isinstance(network, Encoder | Decoder):
        # A VAE, whose attention is another than a UNet's.
        nn.Module.to(network, memory_format=torch.channels_last)
        keep_norms_channels_last(network)
    else:
        run_channels_last(network)
