"""First prediction of a PASD whose degradation removal module knows the latents of the restored photo.

The control branch hands these latents to the UNet's last layer, and that subtracts them from the noisy latents, so that
sampling from the last timestep gives them. Training then goes on from there; a small network with random weights would
first have to learn to pass them on. All other weights keep their random values. Signed numbers go through SiLU as
pairs, since silu(x) - silu(-x) = x, and through group normalisation next to constant channels so large that it divides
by a constant.
"""

from typing import Any, cast

import torch
from torch import nn

from pasd_batch.config.losses import PredictionType
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.networks.initialization import TrainingNetworks

_STEADY = 30.0
"""Value of the constant channels, far above all latents."""


@torch.no_grad()
def predict_latents(networks: TrainingNetworks) -> None:
    """Let the first prediction be the latents that the embedding holds in the channels after the noisy latents'.

    Raises:
        TrainingError: the UNet is too narrow for the latents.
    """
    unet, branch = cast(Any, networks.unet), cast(Any, networks.control_branch)
    channels = unet.config["in_channels"]
    check_width(unet.config)
    # The first channels are the noisy latents, the next the photo's, from the control branch alone.
    for convolution in (unet.conv_in, branch.conv_in):
        convolution.weight[: 2 * channels] = 0.0
        convolution.bias[: 2 * channels] = 0.0
        for channel in range(channels):
            convolution.weight[channel, channel, 1, 1] = 1.0
    for channel in range(channels, 2 * channels):
        branch.controlnet_down_blocks[0].weight[channel, channel, 0, 0] = 1.0
    alpha = float(networks.alphas_cumprod[-1])
    epsilon = networks.scheduler_config["prediction_type"] == PredictionType.EPSILON
    factors = (1.0, -(alpha**0.5)) if epsilon else (alpha**0.5, -1.0)
    _end(unet, *(factor / (1.0 - alpha) ** 0.5 for factor in factors))


def check_width(unet: Any) -> None:
    """Make sure that a UNet of this configuration has room for the latents.

    Raises:
        TrainingError: its first level is too narrow.
    """
    channels, width, groups = unet["in_channels"], unet["block_out_channels"][0], unet["norm_num_groups"]
    room = min(width // 2, groups * (width // groups // 2 - 1))
    if channels > room:
        raise TrainingError(
            f"there is room for {room} latent channels with unet.widths[0] {width} and norm_groups {groups}, but the "
            f"VAE has {channels}; widen the UNet's first level"
        )


def _end(unet: Any, of_noisy: float, of_photo: float) -> None:
    """Let the UNet give of_noisy * (noisy latents) + of_photo * (the photo's latents)."""
    block = unet.up_blocks[-1]
    attentions = [each[-1].proj_out for each in (block.attentions, block.pixel_attentions) if each is not None]
    for silent in (block.resnets[-1].conv2, *attentions, unet.conv_out):
        nn.init.zeros_(silent.weight)
        nn.init.zeros_(silent.bias)
    groups = unet.config["norm_num_groups"]
    per_group = unet.conv_norm_out.num_channels // groups
    unet.conv_norm_out.weight.fill_(_STEADY * (2.0 / per_group) ** 0.5)
    nn.init.zeros_(unet.conv_norm_out.bias)
    shortcut = block.resnets[-1].conv_shortcut
    for group in range(groups):
        first = group * per_group
        shortcut.weight[first : first + 2] = 0.0
        shortcut.bias[first], shortcut.bias[first + 1] = _STEADY, -_STEADY
        for place, channel in enumerate(range(group, unet.config["in_channels"], groups)):
            _pass_through(unet, channel, (of_noisy, of_photo), row=first + 2 + 2 * place)


def _pass_through(unet: Any, channel: int, factors: tuple[float, float], *, row: int) -> None:
    """One latent channel through a pair of the last layer's, from the last skip connection."""
    shortcut = unet.up_blocks[-1].resnets[-1].conv_shortcut
    skip = shortcut.in_channels - unet.conv_norm_out.num_channels
    of_noisy, of_photo = factors
    for sign, place in ((1.0, row), (-1.0, row + 1)):
        shortcut.weight[place] = 0.0
        shortcut.bias[place] = 0.0
        shortcut.weight[place, skip + channel, 0, 0] = sign * of_noisy
        shortcut.weight[place, skip + unet.config["in_channels"] + channel, 0, 0] = sign * of_photo
        unet.conv_out.weight[channel, place, 1, 1] = sign
