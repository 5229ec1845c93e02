"""Initialisation of a VAE's decoder as the least-squares linear map from latents to 8x8 pixels.

The regression is over training crops, for any encoder. Residual branches start at zero, so that the initial decoder is
exactly this map.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor, nn

from pasd_batch.pasd.pixel_shuffle_vae import PixelShuffleVae
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.networks.principal_components import pixel_samples, set_identity, set_identity_shortcuts

_COLORS = 3
_ENLARGEMENTS = 3
_ENCODED_AT_ONCE = 16


def initialise_decoder(vae: PixelShuffleVae, crops: Sequence[Float[Tensor, "3 side side"]]) -> None:
    """Initialise the decoder of a VAE whose encoder is trained or initialised; crops in [-1, 1].

    Raises:
        TrainingError: a level has too few channels for the pixels of its blocks.
    """
    levels = [4**level * _COLORS for level in range(_ENLARGEMENTS)]
    room = [*levels, max(levels[-1], vae.config["latent_channels"])]
    if any(width < least for width, least in zip(vae.config["block_out_channels"], room, strict=True)):
        raise TrainingError(
            f"sizes.widths is {list(vae.config['block_out_channels'])}; decoder: linear needs at least {room}"
        )
    with torch.no_grad():
        photos = torch.stack(list(crops))
        weights = linear_map(mean_latents(vae, photos), photos)
        decoder = cast(Any, vae.decoder)
        _silence(decoder)
        post = cast(Any, vae.post_quant_conv)
        nn.init.dirac_(post.weight)
        nn.init.zeros_(post.bias)
        set_identity(decoder.conv_in, vae.config["latent_channels"])
        channels = vae.config["latent_channels"]
        for number, block in enumerate(decoder.up_blocks):
            set_identity_shortcuts(block, channels)
            if number > 0 and block.upsamplers is not None:
                set_identity(block.upsamplers[0].conv, channels)
            channels = levels[-1 - number] if block.upsamplers is not None else channels
        # The first upsampler does all the arithmetic; the others only shuffle pixels.
        first = decoder.up_blocks[0].upsamplers[0].conv
        first.weight[: weights.shape[1]] = 0.0
        first.weight[: weights.shape[1], : len(weights) - 1, 1, 1] = weights[:-1].T
        first.bias[: weights.shape[1]] = weights[-1]
        set_identity(decoder.conv_out, _COLORS)


def linear_map(
    latents: Float[Tensor, "crops channels side side"], photos: Float[Tensor, "crops 3 8*side 8*side"]
) -> Float[Tensor, "channels+1 192"]:
    """Least squares from latents and a constant to 8x8 pixels, in the order that three pixel shuffles undo."""
    blocks = photos
    for _ in range(_ENLARGEMENTS):
        blocks = nn.functional.pixel_unshuffle(blocks, 2)
    inputs = with_intercept(pixel_samples(latents).double())
    return torch.linalg.lstsq(inputs, pixel_samples(blocks).double()).solution.float()


def with_intercept(samples: Float[Tensor, "samples dimensions"]) -> Float[Tensor, "samples dimensions+1"]:
    """Samples and a one, for the constant of a regression."""
    return torch.cat([samples, samples.new_ones(len(samples), 1)], dim=1)


def mean_latents(
    vae: AutoencoderKL, crops: Float[Tensor, "crops 3 height width"]
) -> Float[Tensor, "crops channels height/8 width/8"]:
    """Unscaled means of the posterior, some crops at a time."""
    encode = cast(Any, vae).encode
    return torch.cat([encode(part).latent_dist.mean for part in crops.split(_ENCODED_AT_ONCE)])


def _silence(decoder: nn.Module) -> None:
    """Zero the last convolution of every residual branch, and all biases."""
    for module in decoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.zeros_(cast(Tensor, module.bias))
        last = getattr(module, "conv2", None)
        if isinstance(last, nn.Conv2d):
            nn.init.zeros_(last.weight)
