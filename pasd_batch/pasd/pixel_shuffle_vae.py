"""A VAE whose decoder upsamples by pixel shuffle, for small models with many latent channels.

Stable Diffusion's decoder upsamples by repeating pixels. Where latents are constant its output is constant too,
whatever their values, so that it only roughly approximates linear codes such as principal components of 8x8 pixels.
Here every upsampler is a pixel shuffle (arXiv 1609.05158): each pixel of a block has its own weights, at the same cost.
There is also no normalisation before the last convolution, which would make a colour depend on how colourful the rest
of the photo is. The encoder is that of `AutoencoderKL`.
"""

from collections.abc import Iterable
from functools import wraps
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle

_FACTOR = 2


class PixelShuffleVae(AutoencoderKL):
    """`AutoencoderKL` with its arguments, whose decoder enlarges by pixel shuffles; a diffusers model."""

    @wraps(AutoencoderKL.__init__)
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        decoder = cast(Any, self.decoder)
        for block in cast(Iterable[Any], decoder.up_blocks):
            if block.upsamplers is not None:
                block.upsamplers = nn.ModuleList(
                    PixelShuffle(old.channels, old.out_channels) for old in block.upsamplers
                )
        decoder.conv_norm_out = decoder.conv_act = nn.Identity()


class PixelShuffle(nn.Module):
    """A 3x3 convolution that gives four pixels for each."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, _FACTOR**2 * out_channels, 3, padding=1)

    def forward(
        self, hidden: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch out_channels 2*height 2*width"]:
        """Enlarge features to twice their sides."""
        return shuffled(self.conv(hidden))


def shuffled(features: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch _c _h _w"]:
    """torch's pixel shuffle by 2; of channels-last features, which it makes planes of, channels-last."""
    if features.is_contiguous() or not features.is_contiguous(memory_format=torch.channels_last):
        return pixel_shuffle(features, _FACTOR)
    batch, channels, height, width = features.shape
    pixels = features.permute(0, 2, 3, 1).unflatten(3, (channels // _FACTOR**2, _FACTOR, _FACTOR))
    pixels = pixels.permute(0, 1, 4, 2, 5, 3).reshape(batch, _FACTOR * height, _FACTOR * width, -1)
    return pixels.permute(0, 3, 1, 2)
