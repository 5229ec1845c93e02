"""A VAE of convolutions alone: a linear encoder of 8x8 pixels, and ESRGAN's upsampling layers as the decoder.

For small models with many latent channels. ESRGAN's generator (arXiv 1809.00219) ends in layers that draw pixels from
features at 1/4 of the photo; here these features come from the latents, four to each. Nothing in it is normalised, so
that no colour depends on the rest of the photo, and every tile is exact with a small halo.
"""

from functools import wraps
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, pixel_shuffle, pixel_unshuffle

_BLOCK = 8
_PARTS = 2
_DETERMINISTIC = -30.0
"""Logarithm of the posterior's variance: the lowest that diffusers keeps."""


class EsrganVae(AutoencoderKL):
    """`AutoencoderKL` with its arguments and these layers; a diffusers model.

    The decoder's features have `block_out_channels[0]` channels; other arguments about layers have no effect.
    """

    @wraps(AutoencoderKL.__init__)
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        config: Any = self.config
        self.encoder = BlockEncoder(config.in_channels, config.latent_channels)
        self.decoder = EsrganDecoder(config.latent_channels, config.block_out_channels[0], config.out_channels)
        self.quant_conv = self.post_quant_conv = None


class BlockEncoder(nn.Module):
    """Linear map from 3x3 blocks of 8x8 pixels to the middle block's latents, without noise."""

    def __init__(self, image_channels: int, latent_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(image_channels * _BLOCK**2, latent_channels, 3, padding=1)

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch _moments _h _w"]:
        """Mean and logarithm of the variance of the latents of photos in [-1, 1]."""
        mean = self.conv(pixel_unshuffle(image, _BLOCK))
        return torch.cat([mean, torch.full_like(mean, _DETERMINISTIC)], dim=1)


class EsrganDecoder(nn.Module):
    """Latents -> features at 1/4 -> photo in [-1, 1]: each enlargement repeats pixels before a convolution."""

    def __init__(self, latent_channels: int, features: int, image_channels: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(latent_channels, _PARTS**2 * features, 3, padding=1)
        self.conv_up1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv_up2 = nn.Conv2d(features, features, 3, padding=1)
        self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_out = nn.Conv2d(features, image_channels, 3, padding=1)

    def forward(
        self, latents: Float[Tensor, "batch channels height width"], latent_embeds: None = None
    ) -> Float[Tensor, "batch image 8*height 8*width"]:
        """Photos of unscaled latents; `latent_embeds` is for diffusers' calls and unused."""
        features = pixel_shuffle(self.conv_in(latents), _PARTS)
        for convolution in (self.conv_up1, self.conv_up2):
            features = _rectified(convolution(interpolate(features, scale_factor=2.0, mode="nearest")))
        features = _rectified(self.conv_hr(features))
        # The last layer may run in another precision than those before it.
        return self.conv_out(features.to(self.conv_out.weight.dtype))


def _rectified(features: Tensor) -> Tensor:
    return leaky_relu(features, negative_slope=0.2)
