"""Channels-last features from end to end: networks in which no layer brings them into another layout and back.

On a GPU convolutions want the channels of a pixel side by side, and to attention a pixel is a token, which is the same
in memory. But torch's group normalisation on CUDA copies such features into planes, and the next convolution copies
them back; diffusers' spatial transformers do that at their end, too. Together a fifth of the kernels' time.
"""

import logging
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from diffusers.models.activations import GEGLU
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, silu

from pasd_batch.pasd.paca import PixelAwareTransformer, pixel_tokens

logger = logging.getLogger(__name__)

Features = Float[Tensor, "batch channels height width"]


def run_channels_last(network: nn.Module) -> None:
    """Lay a network's weights out channels-last, and have its layers keep features so; parameters keep their names.

    For inference. Results differ from the network's by roundings: sums have another order, and what is one kernel is
    rounded once.
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
        case GEGLU():
            return FusedGeglu(layer)
        case nn.Conv2d(kernel_size=(1, 1)):
            return PointwiseConvolution(layer)
        case _:
            return None


def group_norm(
    norm: nn.GroupNorm,
    features: Features,
    *,
    shift: Float[Tensor, "batch channels"] | None = None,
    with_silu: bool = False,
) -> Features:
    """Add `shift` to features, normalise them, and apply SiLU to them, in the layout in which they are."""
    kernels = _kernels_for(features) if features.is_contiguous(memory_format=torch.channels_last) else None
    if kernels is not None:
        of_norm = norm.num_groups, norm.weight, norm.bias, norm.eps
        return kernels.group_norm(features, *of_norm, shift=shift, with_silu=with_silu)
    features = features if shift is None else features + shift[:, :, None, None]
    normalised = nn.functional.group_norm(features, norm.num_groups, norm.weight, norm.bias, norm.eps)
    return silu(normalised) if with_silu else normalised


def geglu(projected: Float[Tensor, "batch tokens both"]) -> Float[Tensor, "batch tokens half"]:
    """The first half of the channels times GELU of the second (arXiv 2002.05202)."""
    kernels = _kernels_for(projected) if projected.is_contiguous() else None
    if kernels is None:
        values, gate = projected.chunk(2, dim=-1)
        return values * gelu(gate)
    return kernels.geglu(projected)


class Kernels(NamedTuple):
    """Kernels that work on this machine."""

    group_norm: Callable[..., Tensor]
    geglu: Callable[[Tensor], Tensor]


def _kernels_for(features: Tensor) -> Kernels | None:
    # A compiler makes kernels of its own, and these have no gradients.
    if not features.is_cuda or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return None
    return working_kernels(features.device)


@cache
def working_kernels(device: torch.device) -> Kernels | None:
    """Kernels for a GPU; None where Triton is missing or cannot compile, as without a C compiler."""
    try:
        from pasd_batch.pasd import kernels

        found = Kernels(kernels.group_norm_channels_last, kernels.geglu)
        _try_out(found, device)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # noqa: BLE001 (errors of Triton, compilers and drivers have nothing in common)
        logger.warning("features take more passes over memory, since Triton does not work here: %s", error)
        return None
    return found


def _try_out(kernels: Kernels, device: torch.device) -> None:
    """Compare the kernels with torch's, once in a process."""
    features = torch.linspace(-3, 3, 2 * 16 * 5 * 7, device=device).sin().reshape(2, 16, 5, 7)
    features = features.contiguous(memory_format=torch.channels_last)
    weight, bias, *shifts = torch.linspace(-1, 1, 64, device=device).reshape(4, 16)
    shift = torch.stack(shifts)
    normalised = kernels.group_norm(features, 4, weight, bias, 1e-5, shift=shift, with_silu=True)
    tokens = features.reshape(2, 35, 16)
    values, gate = tokens.chunk(2, dim=-1)
    shifted = features + shift[:, :, None, None]
    for name, result, expected in (
        ("group normalisation", normalised, silu(nn.functional.group_norm(shifted, 4, weight, bias, 1e-5))),
        ("GEGLU", kernels.geglu(tokens), values * gelu(gate)),
    ):
        error = float((result - expected).abs().max())
        if not error < 1e-4:
            raise RuntimeError(f"{name} is off by {error:.2g} from torch's")


class ChannelsLastGroupNorm(nn.GroupNorm):
    """torch's group normalisation, in the layout in which features are."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__(norm.num_groups, norm.num_channels, norm.eps)
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, input: Features) -> Features:
        """Normalise features."""
        return group_norm(self, input)


class PointwiseConvolution(nn.Module):
    """torch's 1x1 convolution of the same parts, as the linear layer that it is: with its bias in the same pass."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, features: Float[Tensor, "batch _c height width"]) -> Float[Tensor, "batch _o height width"]:
        """Mix the channels of every pixel."""
        tokens = nn.functional.linear(pixel_tokens(features), self.weight.flatten(1), self.bias)
        return tokens.transpose(1, 2).unflatten(2, features.shape[2:])


class FusedGeglu(nn.Module):
    """diffusers' GEGLU layer of the same parts, with gate and product in one."""

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
        self.conv_shortcut = None if block.conv_shortcut is None else PointwiseConvolution(block.conv_shortcut)

    def forward(
        self, features: Features, time: Float[Tensor, "batch time_channels"]
    ) -> Float[Tensor, "batch _c _h _w"]:
        """Add what two convolutions make of the features; the time embedding is added between them."""
        hidden = group_norm(self.norm1, features, with_silu=True)
        # Its bias would be a pass of its own; here it goes with the time embedding, which costs none.
        hidden = nn.functional.conv2d(hidden, self.conv1.weight, stride=self.conv1.stride, padding=self.conv1.padding)
        shift = self.time_emb_proj(silu(time)) + self.conv1.bias
        hidden = self.conv2(group_norm(self.norm2, hidden, shift=shift, with_silu=True))
        return (features if self.conv_shortcut is None else self.conv_shortcut(features)) + hidden


class ChannelsLastTransformer(nn.Module):
    """diffusers' spatial transformer of the same parts, whose tokens are the features' own memory."""

    def __init__(self, transformer: Transformer2DModel) -> None:
        super().__init__()
        self.norm, self.proj_in = transformer.norm, PointwiseConvolution(transformer.proj_in)
        self.transformer_blocks = transformer.transformer_blocks
        self.proj_out = PointwiseConvolution(transformer.proj_out)

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
