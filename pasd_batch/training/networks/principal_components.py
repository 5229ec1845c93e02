"""PCA initialisation of a VAE's encoder, level by level.

Each of the three levels of an 8x VAE maps 2x2 neighbours to fewer numbers that keep most of their variance; the last
keeps as many as there are latent channels. So latents are informative before any training: the decoder has a plain
regression to learn, and a denoiser can be trained on them at once. The network is diffusers' `AutoencoderKL`: residual
branches start at zero, so that only shortcuts and strided convolutions have an effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor, nn

from pasd_batch.training.errors import TrainingError

_LEVELS = 3
_WHITENING = 0.5
"""Exponent of the standard deviation that each latent channel is divided by: 0 keeps sizes, 1 makes them all equal."""

_STEADY = 100.0
"""Value of two constant channels per group, far above all others: the last GroupNorm then divides by a constant."""

_NOISE = 0.1
"""Standard deviation of the latents' posterior, for robustness of the decoder to small errors."""


@dataclass(frozen=True, eq=False)
class Projection:
    """A linear map to principal components: rows @ (x - mean)."""

    rows: Float[Tensor, "kept dimensions"]
    mean: Float[Tensor, " dimensions"]
    deviations: Float[Tensor, " kept"]
    """Standard deviation along each row."""


def principal_components(samples: Float[Tensor, "samples dimensions"], kept: int) -> Projection:
    """The directions of largest variance, the largest first; fewer where there are fewer dimensions."""
    samples = samples.double()
    mean = samples.mean(dim=0)
    variances, directions = torch.linalg.eigh(torch.cov(samples.T))
    order = variances.argsort(descending=True)[:kept]
    deviations = variances[order].clamp(min=1e-12).sqrt()
    return Projection(directions[:, order].T.contiguous(), mean, deviations)


def initialise_encoder(vae: AutoencoderKL, crops: Sequence[Float[Tensor, "3 side side"]]) -> None:
    """Set the encoder of a fresh VAE to the principal components of these crops, [-1, 1].

    Raises:
        TrainingError: the VAE is too narrow at its last level, for its latent channels or next to the level before.
    """
    widths, channels = vae.config["block_out_channels"], vae.config["latent_channels"]
    groups = vae.config["norm_num_groups"]
    # Each component needs a positive and a negative channel, and each group two steady ones.
    room = groups * (widths[-1] // groups // 2 - 1)
    if channels > room:
        raise TrainingError(
            f"sizes.latent_channels is {channels}, but widths[-1] {widths[-1]} with norm_groups {groups} has room for "
            f"{room} principal components; widen the last level"
        )
    if widths[-1] == widths[-2]:
        raise TrainingError(
            f"sizes.widths is {list(widths)}; the last level must be wider than the one before it, since its shortcut "
            "turns to the components"
        )
    with torch.no_grad():
        _silence(vae.encoder)
        vae.register_to_config(scaling_factor=1.0)
        features = torch.stack(list(crops))
        encoder = cast(Any, vae.encoder)
        set_identity(encoder.conv_in, 3)
        for level in range(_LEVELS):
            block = encoder.down_blocks[level]
            set_identity_shortcuts(block, features.shape[1])
            projection = principal_components(unshuffled_samples(features), widths[level])
            _set_strided(block.downsamplers[0].conv, projection)
            features = project(features, projection)
        _end(encoder, vae.quant_conv, principal_components(pixel_samples(features), channels), groups)


def _silence(encoder: nn.Module) -> None:
    """Zero all convolutions and linear layers."""
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            for parameter in module.parameters(recurse=False):
                nn.init.zeros_(parameter)


def set_identity(convolution: nn.Conv2d, channels: int) -> None:
    """Make a convolution the identity on its first `channels` channels."""
    middle = convolution.kernel_size[0] // 2
    convolution.weight[:channels] = 0.0
    for channel in range(channels):
        convolution.weight[channel, channel, middle, middle] = 1.0


def set_identity_shortcuts(block: Any, channels: int) -> None:
    """Make the shortcuts of a level's residual blocks the identity on the first `channels` channels."""
    for resnet in block.resnets:
        if resnet.conv_shortcut is not None:
            set_identity(resnet.conv_shortcut, channels)


def unshuffled_samples(
    features: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "samples four_channels"]:
    """2x2 pixels as one sample each, in the order of `pixel_unshuffle`."""
    return pixel_samples(nn.functional.pixel_unshuffle(features, 2))


def pixel_samples(features: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "samples channels"]:
    """Every pixel as a sample."""
    return features.permute(0, 2, 3, 1).flatten(0, 2)


def project(features: Tensor, projection: Projection) -> Float[Tensor, "batch kept half_height half_width"]:
    """Principal components of 2x2 pixels."""
    samples = nn.functional.pixel_unshuffle(features, 2).double() - projection.mean.view(-1, 1, 1)
    return torch.einsum("kd,bdhw->bkhw", projection.rows, samples).float()


def _set_strided(convolution: nn.Conv2d, projection: Projection) -> None:
    """Set a 3x3 convolution of stride 2 to a 2x2 projection; diffusers pads it at the right and the bottom only."""
    kept, dimensions = projection.rows.shape
    taps = projection.rows.view(kept, dimensions // 4, 2, 2)
    convolution.weight[:kept, : dimensions // 4, :2, :2] = taps.float()
    bias = cast(Tensor, convolution.bias)
    bias[:kept] = -(projection.rows @ projection.mean).float()


def _end(encoder: Any, quant_conv: Any, projection: Projection, groups: int) -> None:
    """Rotate to the components, and bring them through normalisation and SiLU, since silu(x) - silu(-x) = x."""
    channels, width = len(projection.rows), encoder.conv_norm_out.num_channels
    sizes = projection.deviations**_WHITENING
    sizes = sizes * (projection.deviations / sizes).square().mean().sqrt()
    rows = projection.rows / sizes[:, None]
    bias = -(rows @ projection.mean)
    per_group = width // groups
    steady = _STEADY * (2.0 / per_group) ** 0.5
    shortcut, outwards = encoder.down_blocks[-1].resnets[0].conv_shortcut, encoder.conv_out
    encoder.conv_norm_out.weight.fill_(steady)
    encoder.conv_norm_out.bias.zero_()
    for group in range(groups):
        first = group * per_group
        shortcut.bias[first], shortcut.bias[first + 1] = _STEADY, -_STEADY
        for place, component in enumerate(range(group, channels, groups)):
            for sign, channel in ((1.0, first + 2 + 2 * place), (-1.0, first + 3 + 2 * place)):
                shortcut.weight[channel, : rows.shape[1], 0, 0] = sign * rows[component].float()
                shortcut.bias[channel] = sign * bias[component].float()
                outwards.weight[component, channel, 1, 1] = sign
    outwards.bias[channels:] = 2.0 * torch.log(torch.tensor(_NOISE))
    nn.init.zeros_(quant_conv.bias)
    nn.init.dirac_(quant_conv.weight)
