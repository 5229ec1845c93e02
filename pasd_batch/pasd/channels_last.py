"""Channels-last features from end to end: networks in which no layer brings them into another layout and back.

On a GPU convolutions want the channels of a pixel side by side, and to attention a pixel is a token, which is the same
in memory. But torch's group normalisation on CUDA copies such features into planes, and the next convolution copies
them back; diffusers' spatial transformers do that at their end, too. Together a fifth of the kernels' time.
"""

import logging
from collections.abc import Callable
from functools import cache

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from pasd_batch.pasd.paca import PixelAwareTransformer, pixel_tokens

logger = logging.getLogger(__name__)

Features = Float[Tensor, "batch channels height width"]


def run_channels_last(network: nn.Module) -> None:
    """Lay a network's weights out channels-last, and have its layers keep features so; parameters keep their names.

    For inference. Results differ from the network's by roundings: group normalisation and SiLU are one kernel.
    """
    # Not through diffusers' own `to`, which warns about float32 parts that these networks do not have.
    nn.Module.to(network, memory_format=torch.channels_last)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            replacement = _channels_last(child)
            if replacement is not None:
                setattr(parent, name, replacement)


def keep_norms_channels_last(network: nn.Module) -> None:
    """Have a network's group normalisations outside attention keep features in their layout; no other layer changes.

    For a VAE, whose normalisations are watched one by one where it works in tiles.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.GroupNorm) and not isinstance(parent, Attention):
                setattr(parent, name, ChannelsLastGroupNorm(child))


def _channels_last(layer: nn.Module) -> nn.Module | None:
    """The layer that takes another's place; None where that copies nothing."""
    match layer:
        case PixelAwareTransformer():
            return ChannelsLastPixelAwareTransformer(layer)
        case Transformer2DModel():
            return ChannelsLastTransformer(layer)
        case ResnetBlock2D():
            return ChannelsLastResidualBlock(layer)
        case Attention():
            layer.set_processor(PlainAttention())
            return None
        case nn.GroupNorm():
            return ChannelsLastGroupNorm(layer)
        case _:
            return None


def group_norm(norm: nn.GroupNorm, features: Features, *, with_silu: bool = False) -> Features:
    """Normalise features, and apply SiLU to them, in the layout in which they are."""
    # A compiler makes kernels of its own.
    plain = not features.is_cuda or torch.is_grad_enabled() or torch.compiler.is_compiling()
    if plain or not features.is_contiguous(memory_format=torch.channels_last):
        kernel = None
    else:
        kernel = working_kernel(features.device)
    if kernel is None:
        normalised = nn.functional.group_norm(features, norm.num_groups, norm.weight, norm.bias, norm.eps)
        return silu(normalised) if with_silu else normalised
    return kernel(features, norm.num_groups, norm.weight, norm.bias, norm.eps, with_silu=with_silu)


@cache
def working_kernel(device: torch.device) -> Callable[..., Tensor] | None:
    """Group normalisation on a GPU; None where Triton is missing or cannot compile, as without a C compiler."""
    try:
        from pasd_batch.pasd.group_norm_kernels import group_norm_channels_last

        _try_out(group_norm_channels_last, device)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # noqa: BLE001  Errors of Triton, compilers and drivers have nothing in common.
        logger.warning("group normalisation copies features, which is slower, since Triton does not work: %s", error)
        return None
    return group_norm_channels_last


def _try_out(kernel: Callable[..., Tensor], device: torch.device) -> None:
    """Compare the kernel with torch's group normalisation, once in a process."""
    features = torch.linspace(-3, 3, 2 * 16 * 5 * 7, device=device).sin().reshape(2, 16, 5, 7)
    features = features.contiguous(memory_format=torch.channels_last)
    weight, bias = torch.linspace(-1, 1, 32, device=device).reshape(2, 16)
    result = kernel(features, 4, weight, bias, 1e-5, with_silu=True)
    error = float((result - silu(nn.functional.group_norm(features, 4, weight, bias, 1e-5))).abs().max())
    if not error < 1e-4:
        raise RuntimeError(f"it is off by {error:.2g} from torch's")


class ChannelsLastGroupNorm(nn.GroupNorm):
    """torch's group normalisation, in the layout in which features are."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__(norm.num_groups, norm.num_channels, norm.eps)
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, input: Features) -> Features:
        """Normalise features."""
        return group_norm(self, input)


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
            for project, tokens in ((attn.to_q, hidden_states), (attn.to_k, context), (attn.to_v, context))
        )
        attended = nn.functional.scaled_dot_product_attention(query, key, value)
        return attn.to_out[0](attended.transpose(1, 2).flatten(2))


class ChannelsLastResidualBlock(nn.Module):
    """diffusers' residual block of the same parts, with normalisation and SiLU in one."""

    def __init__(self, block: ResnetBlock2D) -> None:
        super().__init__()
        self.norm1, self.conv1 = block.norm1, block.conv1
        self.time_emb_proj = block.time_emb_proj
        self.norm2, self.conv2 = block.norm2, block.conv2
        self.conv_shortcut = block.conv_shortcut

    def forward(
        self, features: Features, time: Float[Tensor, "batch time_channels"]
    ) -> Float[Tensor, "batch _c _h _w"]:
        """Add what two convolutions make of the features; the time embedding is added between them."""
        hidden = self.conv1(group_norm(self.norm1, features, with_silu=True))
        hidden = hidden + self.time_emb_proj(silu(time))[:, :, None, None]
        hidden = self.conv2(group_norm(self.norm2, hidden, with_silu=True))
        return (features if self.conv_shortcut is None else self.conv_shortcut(features)) + hidden


class ChannelsLastTransformer(nn.Module):
    """diffusers' spatial transformer of the same parts, whose tokens are the features' own memory."""

    def __init__(self, transformer: Transformer2DModel) -> None:
        super().__init__()
        self.norm, self.proj_in = transformer.norm, transformer.proj_in
        self.transformer_blocks = transformer.transformer_blocks
        self.proj_out = transformer.proj_out

    def forward(
        self, hidden_states: Features, encoder_hidden_states: Float[Tensor, "batch words _c"], **unused: object
    ) -> tuple[Features]:
        """Attend to the text; called as diffusers' blocks call theirs, whose masks are not used here."""
        return (self.attend(hidden_states, encoder_hidden_states),)

    def attend(self, features: Features, context: Float[Tensor, "batch _n _c"]) -> Features:
        """Attend to a context."""
        tokens = pixel_tokens(self.proj_in(group_norm(self.norm, features)))
        for block in self.transformer_blocks:
            tokens = block(tokens, encoder_hidden_states=context)
        return self.proj_out(tokens.transpose(1, 2).unflatten(2, features.shape[2:])) + features


class ChannelsLastPixelAwareTransformer(ChannelsLastTransformer):
    """PACA of the `pasd` variant, likewise."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, hidden_states: Features, residual: Float[Tensor, "batch context height width"]
    ) -> Features:
        """Refine features by what the control branch saw at each pixel."""
        return self.attend(hidden_states, pixel_tokens(residual))
