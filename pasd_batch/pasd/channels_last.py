"""Channels-last (NHWC) features in all layers, without conversions between memory layouts.

On a GPU convolutions are fastest in NHWC, in which a pixel's channels are also an attention token. But torch's group
normalisation on CUDA converts NHWC features to NCHW, and the next convolution converts them back; so do diffusers'
spatial transformers at their end. Together that is a fifth of the kernels' time.
"""

from typing import Any, cast

import torch
from diffusers.models.activations import GEGLU
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.upsampling import Upsample2D
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu
from torch.utils.checkpoint import checkpoint

from pasd_batch.pasd.fused import geglu, group_norm
from pasd_batch.pasd.paca import PixelAwareTransformer, pixel_tokens

_MOST_VALUES = 2**31
"""Most values of an upsampled tensor in channels-last (pytorch/pytorch#141831)."""

Features = Float[Tensor, "batch channels height width"]


def run_channels_last(network: nn.Module) -> None:
    """Convert a network's weights to channels-last and replace layers that change the layout; parameter names stay.

    Results differ by rounding: sums are in another order, and fused kernels round once.
    """
    # Not through diffusers' own `to`, which warns about float32 parts that these networks do not have.
    nn.Module.to(network, memory_format=torch.channels_last)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            replacement = _channels_last(child)
            if replacement is not None:
                setattr(parent, name, replacement)


def keep_norms_channels_last(network: nn.Module) -> None:
    """Replace a VAE's layers outside attention by ones that keep the features' layout.

    Normalisations stay separate modules, for the hooks of tiled VAEs (`tiled_group_norm.py`).
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.GroupNorm) and not isinstance(parent, Attention):
                setattr(parent, name, ChannelsLastGroupNorm(child))
            elif isinstance(child, ResnetBlock2D):
                setattr(parent, name, TimelessResidualBlock(child))
            elif isinstance(child, Upsample2D):
                setattr(parent, name, ChannelsLastUpsampling(child))


def _channels_last(layer: nn.Module) -> nn.Module | None:
    """Replacement of a layer that changes the layout; None for other layers."""
    match layer:
        case PixelAwareTransformer():
            return ChannelsLastPixelAwareTransformer(layer)
        case Transformer2DModel():
            return ChannelsLastTransformer(layer)
        case ResnetBlock2D():
            return ChannelsLastResidualBlock(layer)
        case Attention():
            layer.set_processor(cast(Any, PlainAttention()))
            return None
        case nn.GroupNorm():
            return ChannelsLastGroupNorm(layer)
        case GEGLU():
            return FusedGeglu(layer)
        case nn.Conv2d(kernel_size=(1, 1)):
            return PointwiseConvolution(layer)
        case Upsample2D():
            return ChannelsLastUpsampling(layer)
        case _:
            return None


class ChannelsLastGroupNorm(nn.GroupNorm):
    """Group normalisation that keeps the features' layout."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__(norm.num_groups, norm.num_channels, norm.eps)
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, input: Features) -> Features:
        """Normalise features."""
        return group_norm(self, input)


class PointwiseConvolution(nn.Module):
    """1x1 convolution as a linear layer, which adds the bias in the same kernel."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, features: Float[Tensor, "batch _c height width"]) -> Float[Tensor, "batch _o height width"]:
        """Mix the channels of every pixel."""
        tokens = nn.functional.linear(pixel_tokens(features), self.weight.flatten(1), self.bias)
        return tokens.transpose(1, 2).unflatten(2, features.shape[2:])


class FusedGeglu(nn.Module):
    """diffusers' GEGLU layer with gate and product fused."""

    def __init__(self, layer: GEGLU) -> None:
        super().__init__()
        self.proj = layer.proj

    def forward(self, tokens: Float[Tensor, "batch tokens channels"]) -> Float[Tensor, "batch tokens half"]:
        """Project tokens to values and gates."""
        return geglu(self.proj(tokens))


class PlainAttention:
    """diffusers' attention without its division of the result by 1."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: Float[Tensor, "batch tokens channels"],
        encoder_hidden_states: Float[Tensor, "batch _n _c"] | None = None,
        attention_mask: None = None,
    ) -> Float[Tensor, "batch tokens channels"]:
        """Attend from tokens to a context, or to themselves."""
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            project(tokens).unflatten(2, (attn.heads, -1)).transpose(1, 2)
            for project, tokens in (
                (attn.to_q, hidden_states),
                (cast(nn.Module, attn.to_k), context),
                (cast(nn.Module, attn.to_v), context),
            )
        )
        attended = nn.functional.scaled_dot_product_attention(query, key, value)
        return cast(nn.ModuleList, attn.to_out)[0](attended.transpose(1, 2).flatten(2))


class ChannelsLastUpsampling(nn.Module):
    """diffusers' nearest upsampling and convolution, without its conversion to NCHW for batches of 64 and more."""

    def __init__(self, layer: Upsample2D) -> None:
        super().__init__()
        self.conv = cast(nn.Conv2d, layer.conv)

    def forward(
        self, features: Features, output_size: tuple[int, int] | None = None
    ) -> Float[Tensor, "batch _c _h _w"]:
        """Enlarge features to twice their sides, or to a size."""
        size = output_size or (2 * features.shape[2], 2 * features.shape[3])
        if features.shape[0] * features.shape[1] * size[0] * size[1] >= _MOST_VALUES:
            features = features.contiguous()
        return self.conv(interpolate(features, size=size, mode="nearest"))


class ChannelsLastResidualBlock(nn.Module):
    """diffusers' residual block with normalisation and SiLU fused."""

    def __init__(self, block: ResnetBlock2D) -> None:
        super().__init__()
        self.norm1, self.conv1 = block.norm1, block.conv1
        self.time_emb_proj = cast(nn.Linear, block.time_emb_proj)
        self.norm2, self.conv2 = block.norm2, block.conv2
        self.conv_shortcut = None if block.conv_shortcut is None else PointwiseConvolution(block.conv_shortcut)

    def forward(
        self, features: Features, time: Float[Tensor, "batch time_channels"]
    ) -> Float[Tensor, "batch _c _h _w"]:
        """Residual block: two convolutions, with the time embedding added between them."""
        hidden = group_norm(self.norm1, features, with_silu=True)
        # The bias is added with the time embedding, which saves a kernel.
        hidden = nn.functional.conv2d(hidden, self.conv1.weight, stride=self.conv1.stride, padding=self.conv1.padding)
        shift = self.time_emb_proj(silu(time)) + self.conv1.bias
        hidden = self.conv2(group_norm(self.norm2, hidden, shift=shift, with_silu=True))
        return (features if self.conv_shortcut is None else self.conv_shortcut(features)) + hidden


class TimelessResidualBlock(nn.Module):
    """Residual block of a VAE, without time embedding; its normalisations may have hooks."""

    def __init__(self, block: ResnetBlock2D) -> None:
        super().__init__()
        self.norm1, self.conv1 = ChannelsLastGroupNorm(block.norm1), block.conv1
        self.norm2, self.conv2 = ChannelsLastGroupNorm(block.norm2), block.conv2
        self.conv_shortcut = block.conv_shortcut

    def forward(self, features: Features, temb: None = None) -> Float[Tensor, "batch _c _h _w"]:
        """Residual block of two convolutions; `temb` is for diffusers' calls and unused."""
        hidden = self.conv1(_norm_and_silu(self.norm1, features))
        hidden = self.conv2(_norm_and_silu(self.norm2, hidden))
        return (features if self.conv_shortcut is None else self.conv_shortcut(features)) + hidden


def _norm_and_silu(norm: nn.GroupNorm, features: Features) -> Features:
    # Hooks need the normalisation as a module call.
    return silu(norm(features)) if norm._forward_hooks else group_norm(norm, features, with_silu=True)


class ChannelsLastTransformer(nn.Module):
    """diffusers' spatial transformer whose tokens are views of the features."""

    def __init__(self, transformer: Transformer2DModel) -> None:
        super().__init__()
        self.norm, self.proj_in = transformer.norm, PointwiseConvolution(cast(nn.Conv2d, transformer.proj_in))
        self.transformer_blocks = transformer.transformer_blocks
        self.proj_out = PointwiseConvolution(cast(nn.Conv2d, transformer.proj_out))
        self.gradient_checkpointing = transformer.gradient_checkpointing

    def forward(
        self, hidden_states: Features, encoder_hidden_states: Float[Tensor, "batch words _c"], **unused: object
    ) -> tuple[Features]:
        """Attend to the text; called as diffusers' blocks call theirs, whose masks are not used here."""
        return (self.attend(hidden_states, encoder_hidden_states),)

    def attend(self, features: Features, context: Float[Tensor, "batch _n _c"]) -> Features:
        """Attend to a context."""
        tokens = pixel_tokens(self.proj_in(group_norm(self.norm, features)))
        for block in self.transformer_blocks:
            if self.gradient_checkpointing and torch.is_grad_enabled():
                tokens = cast(Tensor, checkpoint(block, tokens, encoder_hidden_states=context, use_reentrant=False))
            else:
                tokens = block(tokens, encoder_hidden_states=context)
        return self.proj_out(tokens.transpose(1, 2).unflatten(2, features.shape[2:])) + features


class ChannelsLastPixelAwareTransformer(ChannelsLastTransformer):
    """PACA of the `pasd` variant with channels-last features."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, hidden_states: Features, residual: Float[Tensor, "batch context height width"]
    ) -> Features:
        """Attend from features to the control branch's residual."""
        return self.attend(hidden_states, pixel_tokens(residual))
