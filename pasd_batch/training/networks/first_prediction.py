"""Initialisation of a PASD from scratch whose first prediction is the degraded photo's latents.

The degradation removal module starts as a linear encoder, the control branch hands its latents to the UNet's last
layer, and that subtracts them from the noisy latents, so that sampling from the last timestep gives the degraded photo
back. Training then improves on the identity, which a small network with random weights would have to learn first. All
other weights keep their random values. Signed numbers go through SiLU as pairs,
since silu(x) - silu(-x) = x, and through group normalisation next to constant channels so large that it divides by a
constant.
"""

from collections.abc import Iterator
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pasd_batch.config.losses import PredictionType
from pasd_batch.pasd.degradation_removal import DegradationRemovalModule
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.networks.initialization import TrainingNetworks
from pasd_batch.training.networks.linear_decoder import mean_latents, with_intercept
from pasd_batch.training.networks.principal_components import (
    pixel_samples,
    principal_components,
    project,
    unshuffled_samples,
)

_COLORS = 3
_PAIR_SHARE = 3 / 4
"""Share of a level's channels that carry the linear encoder; the others are free."""

_STEADY = 30.0
"""Value of the constant channels, far above all latents."""


@torch.no_grad()
def predict_degraded_photo(networks: TrainingNetworks, crops: Float[Tensor, "crops 3 side side"]) -> None:
    """Set the networks; crops in [-1, 1].

    Raises:
        TrainingError: a network is too narrow for the latents.
    """
    unet, branch = cast(Any, networks.unet), cast(Any, networks.control_branch)
    channels = unet.config["in_channels"]
    check_width(unet.config)
    _check_embedding(branch.config, channels)
    latents = networks.vae.config["scaling_factor"] * mean_latents(networks.vae, crops)
    _start_embedding(branch.controlnet_cond_embedding, crops, latents, first=channels)
    predict_latents(networks)


@torch.no_grad()
def predict_latents(networks: TrainingNetworks) -> None:
    """Let the first prediction be the latents that the embedding holds in the channels after the noisy latents'.

    Raises:
        TrainingError: the UNet is too narrow for the latents.
    """
    unet, branch = cast(Any, networks.unet), cast(Any, networks.control_branch)
    channels = unet.config["in_channels"]
    check_width(unet.config)
    # The first channels are the noisy latents, the next the degraded photo's, from the control branch alone.
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


def _check_embedding(branch: Any, channels: int) -> None:
    widths = branch["conditioning_embedding_out_channels"]
    if _pairs(widths[-1]) < channels or _pairs(widths[0]) < _COLORS:
        raise TrainingError(
            f"branch.conditioning_embedding_out_channels {list(widths)} is too narrow for {channels} latent channels; "
            f"first_prediction: degraded_photo needs at least {round(2 * channels / _PAIR_SHARE)} at the end and 8 at "
            "the start"
        )


def _pairs(width: int) -> int:
    return int(_PAIR_SHARE * width) // 2


def _start_embedding(module: DegradationRemovalModule, crops: Tensor, latents: Tensor, *, first: int) -> None:
    """Principal components level by level, and from the last of them the latents, from channel `first` on."""
    features = crops
    identity = torch.eye(_COLORS)[:, :, None, None]
    # The module sees photos in [0, 1].
    _set(module.conv_in, 2.0 * identity, torch.full((_COLORS,), -1.0), signed_inputs=False)
    for same, strided in _levels(module):
        count = features.shape[1]
        _set(same, torch.eye(count)[:, :, None, None], torch.zeros(count))
        projection = principal_components(unshuffled_samples(features), _pairs(strided.out_channels))
        taps = projection.rows.float().view(len(projection.rows), count, 2, 2)
        _set(strided, taps, -(projection.rows @ projection.mean).float())
        features = project(features, projection)
    inputs = with_intercept(pixel_samples(features).double())
    solution = torch.linalg.lstsq(inputs, pixel_samples(latents).double()).solution.float()
    convolution = module.conv_out
    for row, weights in enumerate(_both_signs(solution[:-1].T[:, :, None, None]), start=first):
        convolution.weight[row, : len(weights), 1:2, 1:2] = weights
    cast(Tensor, convolution.bias)[first : first + latents.shape[1]] = solution[-1]


def _levels(module: DegradationRemovalModule) -> Iterator[tuple[nn.Conv2d, nn.Conv2d]]:
    convolutions = cast(list[nn.Conv2d], list(module.blocks))
    return zip(convolutions[::2], convolutions[1::2], strict=True)


def _set(convolution: nn.Conv2d, taps: Tensor, bias: Tensor, *, signed_inputs: bool = True) -> None:
    """Let the first channels be pairs x, -x of what the taps (out, in, rows, columns) from the middle on give."""
    taps = _both_signs(taps) if signed_inputs else taps
    pairs, inputs, *size = taps.shape
    for sign, offset in ((1.0, 0), (-1.0, 1)):
        rows = slice(offset, 2 * pairs, 2)
        convolution.weight[rows] = 0.0
        convolution.weight[rows, :inputs, 1 : 1 + size[0], 1 : 1 + size[1]] = sign * taps
        cast(Tensor, convolution.bias)[rows] = sign * bias


def _both_signs(taps: Float[Tensor, "outputs inputs rows columns"]) -> Float[Tensor, "outputs 2*inputs rows columns"]:
    """The same taps for inputs that are pairs silu(x), silu(-x)."""
    return torch.stack([taps, -taps], dim=2).flatten(1, 2)


def _end(unet: Any, of_noisy: float, of_degraded: float) -> None:
    """Let the UNet give of_noisy * (noisy latents) + of_degraded * (degraded photo's latents)."""
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
            _pass_through(unet, channel, (of_noisy, of_degraded), row=first + 2 + 2 * place)


def _pass_through(unet: Any, channel: int, factors: tuple[float, float], *, row: int) -> None:
    """One latent channel through a pair of the last layer's, from the last skip connection."""
    shortcut = unet.up_blocks[-1].resnets[-1].conv_shortcut
    skip = shortcut.in_channels - unet.conv_norm_out.num_channels
    of_noisy, of_degraded = factors
    for sign, place in ((1.0, row), (-1.0, row + 1)):
        shortcut.weight[place] = 0.0
        shortcut.bias[place] = 0.0
        shortcut.weight[place, skip + channel, 0, 0] = sign * of_noisy
        shortcut.weight[place, skip + unet.config["in_channels"] + channel, 0, 0] = sign * of_degraded
        unet.conv_out.weight[channel, place, 1, 1] = sign
