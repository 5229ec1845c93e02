"""A small PASD that begins as Real-ESRGAN x4plus (arXiv 2107.10833) with some of its blocks.

Real-ESRGAN's features become the degradation removal module's, its upsampling layers the VAE's decoder, and the
principal components of its features the latents. The control branch hands them to the UNet, whose first prediction they
are (`first_prediction.py`): training begins at what is left of Real-ESRGAN, and goes on with all networks.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle, unfold

from pasd_batch.pasd.degradation_removal import ESRGAN_FEATURES, ESRGAN_GROWTH, RrdbDegradationRemoval
from pasd_batch.pasd.esrgan_vae import EsrganDecoder, EsrganVae
from pasd_batch.pasd.state_dict import CheckpointError
from pasd_batch.training.networks.first_prediction import check_width, predict_latents
from pasd_batch.training.networks.initialization import TrainingNetworks
from pasd_batch.training.networks.principal_components import Projection, pixel_samples, principal_components
from pasd_batch.training.networks.teacher import RrdbNet

_WHITENING = 0.5
"""Exponent of the standard deviation that each latent channel is divided by: 0 keeps sizes, 1 makes them all equal."""

_RIDGE = 1e-4
"""Regularisation of the encoder's regression, relative to the mean variance of its inputs."""

_AT_ONCE = 8


@torch.no_grad()
def take_layers(networks: TrainingNetworks, generator: RrdbNet, blocks: Sequence[int]) -> None:
    """Copy a generator's layers, of its blocks these, into the degradation removal module and the VAE's decoder.

    Raises:
        CheckpointError: it has no such blocks, or they are not of the published size.
    """
    _check(generator, blocks)
    removal = cast(RrdbDegradationRemoval, networks.control_branch.controlnet_cond_embedding)
    first = removal.conv_first
    # The generator sees the photo at 1/4: here the mean of 4x4 pixels, each of which is a channel of its own.
    shares = first.in_channels // generator.conv_first.in_channels
    first.weight.copy_(generator.conv_first.weight.repeat_interleave(shares, dim=1) / shares)
    cast(Tensor, first.bias).copy_(cast(Tensor, generator.conv_first.bias))
    for own, number in zip(removal.body, blocks, strict=True):
        own.load_state_dict(generator.body[number].state_dict())
    removal.conv_body.load_state_dict(generator.conv_body.state_dict())
    decoder = cast(EsrganDecoder, networks.vae.decoder)
    for name in ("conv_up1", "conv_up2", "conv_hr"):
        getattr(decoder, name).load_state_dict(getattr(generator, name).state_dict())
    # Its pictures are in [0, 1], a VAE's in [-1, 1].
    decoder.conv_out.weight.copy_(2.0 * generator.conv_last.weight)
    cast(Tensor, decoder.conv_out.bias).copy_(2.0 * cast(Tensor, generator.conv_last.bias) - 1.0)


@torch.no_grad()
def connect(networks: TrainingNetworks, photos: Float[Tensor, "photos 3 side side"]) -> None:
    """Let the first prediction be the picture that the decoder makes of the degradation removal module's features.

    Args:
        networks: whose module and decoder belong together (`take_layers`).
        photos: degraded photos in [0, 1], whose features decide on the latents.

    Raises:
        TrainingError: a network is too narrow for the latents.
    """
    check_width(networks.unet.config)
    removal = cast(RrdbDegradationRemoval, networks.control_branch.controlnet_cond_embedding)
    vae = cast(EsrganVae, networks.vae)
    channels: int = vae.config["latent_channels"]
    features = torch.cat([pixel_unshuffle(removal.features(some), 2) for some in photos.split(_AT_ONCE)])
    width = removal.conv_out.out_channels
    components = principal_components(pixel_samples(features), width - channels)
    scales = _scales(components, channels)
    rows = (components.rows / scales[:, None]).float()
    taps, shift = rows.view(len(rows), -1, 2, 2), (rows.double() @ components.mean).float()
    # Channels of the noisy latents come first: the photo's latents, then further components.
    removal.conv_out.weight.zero_()
    removal.conv_out.weight[channels:, :, 1:, 1:] = taps
    cast(Tensor, removal.conv_out.bias)[channels:] = -shift
    decoder = cast(EsrganDecoder, vae.decoder)
    decoder.conv_in.weight.zero_()
    decoder.conv_in.weight[:, :, 1, 1] = (components.rows[:channels] * scales[:channels, None]).T.float()
    cast(Tensor, decoder.conv_in.bias).copy_(components.mean.float())
    latents = torch.einsum("kd,bdhw->bkhw", rows[:channels], features) - shift[:channels].view(-1, 1, 1)
    _fit(cast(nn.Conv2d, cast(Any, vae.encoder).conv), 2.0 * photos - 1.0, latents)
    vae.register_to_config(scaling_factor=1.0)
    predict_latents(networks)


@torch.no_grad()
def neutralise_words(networks: TrainingNetworks) -> None:
    """Give every word padding's embedding: prompts have no effect, as a fresh text encoder makes no sense of them."""
    embeddings = cast(Any, networks.text_encoder).get_input_embeddings().weight
    tokenizer = cast(Any, networks.tokenizer)
    start, padding = int(tokenizer.bos_token_id), int(tokenizer.pad_token_id)
    words = [number for number in range(len(embeddings)) if number not in (start, padding)]
    embeddings[words] = embeddings[padding].clone()


def _check(generator: RrdbNet, blocks: Sequence[int]) -> None:
    if missing := [number for number in blocks if number >= len(generator.body)]:
        raise CheckpointError(
            f"model.blocks: the generator has {len(generator.body)} blocks, numbered from 0, and not {missing}"
        )
    features, growth = generator.conv_first.out_channels, generator.growth
    if (features, growth) != (ESRGAN_FEATURES, ESRGAN_GROWTH):
        raise CheckpointError(
            f"model.generator: its blocks have {features} channels and add {growth}; they should have "
            f"{ESRGAN_FEATURES} and add {ESRGAN_GROWTH}, as Real-ESRGAN x4plus"
        )


def _scales(components: Projection, channels: int) -> Float[Tensor, " kept"]:
    """Divisors after which the latents' mean square is 1, and large channels are not as much larger than small ones."""
    sizes = components.deviations**_WHITENING
    latents = components.deviations[:channels] / sizes[:channels]
    return sizes * latents.square().mean().sqrt()


def _fit(convolution: nn.Conv2d, photos: Tensor, latents: Tensor) -> None:
    """Set a convolution of 8x8 blocks to the least-squares map from photos in [-1, 1] to latents."""
    count = 9 * convolution.in_channels
    gram, right = torch.zeros(count + 1, count + 1).double(), torch.zeros(count + 1, latents.shape[1]).double()
    for some, wanted in zip(photos.split(_AT_ONCE), latents.split(_AT_ONCE), strict=True):
        windows = unfold(pixel_unshuffle(some, 8), 3, padding=1).transpose(1, 2).flatten(0, 1).double()
        inputs = torch.cat([windows, windows.new_ones(len(windows), 1)], dim=1)
        gram += inputs.T @ inputs
        right += inputs.T @ pixel_samples(wanted).double()
    gram[:-1, :-1] += _RIDGE * gram.diagonal()[:-1].mean() * torch.eye(count)
    solution = torch.linalg.solve(gram, right).float()
    convolution.weight.copy_(solution[:-1].T.view_as(convolution.weight))
    cast(Tensor, convolution.bias).copy_(solution[-1])
