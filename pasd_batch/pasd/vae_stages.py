"""Stages of a VAE: sequences of layers that can run tile by tile, one per level."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, cast

from diffusers.models.attention_processor import Attention
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn

from pasd_batch.pasd.esrgan_vae import EsrganVae
from pasd_batch.pasd.geometry import LATENT_FACTOR


@dataclass(frozen=True)
class Stage:
    """Sequence of layers between two points at which features may be cached."""

    layers: tuple[Callable[[Tensor], Tensor], ...]
    norms: tuple[nn.GroupNorm, ...]
    """The normalisations in the layers, in the order of computation."""

    halo: int
    """Halo of a tile, in input pixels; a multiple that keeps strides aligned."""

    receptive_radius: float
    """Radius of the receptive field, in latent pixels."""

    factor_in: int
    """Input pixels per latent pixel."""

    factor_out: int
    channels: int
    """Output channels."""

    is_whole: bool = False
    """True if it must run on the whole picture."""

    def then(self, following: "Stage") -> "Stage":
        """Both stages as one, without caching between them."""
        receptive_radius = self.receptive_radius + following.receptive_radius
        return Stage(
            self.layers + following.layers,
            self.norms + following.norms,
            ceil(receptive_radius) * self.factor_in,
            receptive_radius,
            self.factor_in,
            following.factor_out,
            following.channels,
        )

    def apply(self, features: Tensor) -> Tensor:
        """Run the layers over a picture, or a part of one."""
        for layer in self.layers:
            features = layer(features)
        return features


def encoder_stages(vae: AutoencoderKL, *, middle_is_whole: bool) -> list[Stage]:
    """One stage a level: its residual blocks and its downsampler; the first has the input convolution too.

    The last stage is the middle block with everything after it, in tiles unless it has attention or `middle_is_whole`.

    Raises:
        ValueError: the VAE has attention in its convolutional levels.
    """
    if isinstance(vae, EsrganVae):
        return [_local_stage(vae.encoder, LATENT_FACTOR, 1, 2 * vae.config["latent_channels"])]
    stages: list[Stage] = []
    factor = LATENT_FACTOR
    encoder = vae.encoder
    for level, block in enumerate(cast(Iterable[Any], encoder.down_blocks)):
        _refuse_attention(block)
        layers: list[nn.Module] = [encoder.conv_in] if level == 0 else []
        samplers = list(block.downsamplers or [])
        layers += [*block.resnets, *samplers]
        stages.append(_stage(layers, block.resnets, factor, factor // 2 if samplers else factor))
        factor = stages[-1].factor_out
    behind: list[nn.Module] = [encoder.conv_norm_out, encoder.conv_act, encoder.conv_out]
    behind += [] if vae.quant_conv is None else [vae.quant_conv]
    return [*stages, _middle(encoder.mid_block, [], behind, is_whole=middle_is_whole)]


def decoder_stages(vae: AutoencoderKL, *, middle_is_whole: bool) -> list[Stage]:
    """One stage a level: the upsampler before it and its residual blocks; the last has the output convolution too.

    The first stage is the middle block with everything before it, as in `encoder_stages`. Features are cached before
    upsampling, where they are four times smaller.

    Raises:
        ValueError: the VAE has attention in its convolutional levels.
    """
    if isinstance(vae, EsrganVae):
        return [_local_stage(vae.decoder, 1, LATENT_FACTOR, vae.config["out_channels"])]
    decoder = vae.decoder
    before: list[nn.Module] = [] if vae.post_quant_conv is None else [vae.post_quant_conv]
    before.append(decoder.conv_in)
    stages = [_middle(decoder.mid_block, before, [], is_whole=middle_is_whole)]
    factor = 1
    samplers: list[nn.Module] = []
    for level, block in enumerate(cast(Iterable[Any], decoder.up_blocks)):
        _refuse_attention(block)
        layers = [*samplers, *block.resnets]
        if level == len(decoder.up_blocks) - 1:
            layers += [decoder.conv_norm_out, decoder.conv_act, decoder.conv_out]
        stages.append(_stage(layers, block.resnets, factor, factor * 2 if samplers else factor))
        factor = stages[-1].factor_out
        samplers = list(block.upsamplers or [])
    return stages


def _local_stage(layers: nn.Module, factor_in: int, factor_out: int, channels: int) -> Stage:
    """All layers of an `EsrganVae`'s half, whose receptive field reaches less than two latent pixels."""
    return Stage((layers,), (), 2 * factor_in, 2.0, factor_in, factor_out, channels)


def _middle(block: Any, before: Sequence[nn.Module], behind: Sequence[nn.Module], *, is_whole: bool) -> Stage:
    if is_whole or _has_attention(block):
        layers = [*before, block, *behind]
        return Stage(tuple(map(_call, layers)), (), 0, 0.0, 1, 1, _channels(block.resnets), is_whole=True)
    return _stage([*before, *block.resnets, *behind], block.resnets, 1, 1)


def _stage(layers: Sequence[nn.Module], resnets: Any, factor_in: int, factor_out: int) -> Stage:
    norms = tuple(part for layer in layers for part in layer.modules() if isinstance(part, nn.GroupNorm))
    # Two 3x3 convolutions per residual block, one at the input or output, and two pixels for resampling.
    halo = 2 * len(resnets) + 4
    beside = 2 * (factor_in != factor_out) + sum(isinstance(each, nn.Conv2d) for each in layers)
    receptive_radius = (2 * len(resnets) + beside) / max(factor_in, factor_out)
    return Stage(tuple(map(_call, layers)), norms, halo, receptive_radius, factor_in, factor_out, _channels(resnets))


def _channels(resnets: Any) -> int:
    return int(resnets[-1].conv2.out_channels)


def _has_attention(block: nn.Module) -> bool:
    return any(isinstance(part, Attention) for part in block.modules())


def _refuse_attention(block: nn.Module) -> None:
    if _has_attention(block):
        raise ValueError(
            "this VAE has attention outside its middle block; use Stable Diffusion 1.5's VAE, which has not"
        )


def _call(layer: nn.Module) -> Callable[[Tensor], Tensor]:
    """The layer as a function of features alone."""
    if hasattr(layer, "time_emb_proj"):
        # diffusers' residual blocks take a time embedding, which a VAE has not.
        return lambda features: layer(features, None)
    if isinstance(layer, nn.Conv2d):
        # The last layer may run in another precision than those before it.
        return lambda features: layer(features.to(layer.weight.dtype))
    return layer
