"""Pixel-aware cross attention (PACA): decoder features attend to the control residual, pixel by pixel.

Section 3.2 of arXiv 2308.14469: PACA(Q, K, V) = Softmax(Q K^T / sqrt(d)) V with Q = to_q(x'), K = to_k(y'),
V = to_v(y'), where x' is the decoder feature and y' the control branch's residual of the same resolution.
The residual enters raw: no normalisation and no projection stand before `to_k` and `to_v`.
"""

from typing import Literal

from diffusers.models.attention import FeedForward
from diffusers.models.attention_processor import Attention
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from jaxtyping import Float
from torch import Tensor, nn

PacaForm = Literal["pasd", "pasd_light"]
"""`pasd`: a transformer of its own in every decoder layer; `pasd_light`: an attention inside text transformers."""


def pixel_tokens(
    residual: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch height*width channels"]:
    """Flatten a feature map to one token per pixel, row by row."""
    return residual.flatten(2).transpose(1, 2)


class PixelAwareTransformer(Transformer2DModel):
    """PACA of the `pasd` variant: a whole spatial transformer whose cross attention reads the residual."""

    @classmethod
    def for_layer(
        cls, channels: int, context_channels: int, *, heads: int, norm_groups: int
    ) -> "PixelAwareTransformer":
        """Build the layer for features of `channels` and residuals of `context_channels` channels."""
        return cls(
            num_attention_heads=heads,
            attention_head_dim=channels // heads,
            in_channels=channels,
            cross_attention_dim=context_channels,
            norm_num_groups=norm_groups,
        )

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        hidden_states: Float[Tensor, "batch channels height width"],
        residual: Float[Tensor, "batch context height width"],
    ) -> Float[Tensor, "batch channels height width"]:
        """Attend from `hidden_states` to the control branch's residual."""
        tokens = pixel_tokens(residual)
        return super().forward(hidden_states, encoder_hidden_states=tokens, return_dict=False)[0]


class PixelAwareTransformerBlock(nn.Module):
    """A text transformer block with PACA between text cross attention and feed-forward (`pasd_light`)."""

    def __init__(
        self, channels: int, context_channels: int, *, heads: int, text_channels: int, upcast_attention: bool
    ) -> None:
        super().__init__()

        def attention(context: int | None) -> Attention:
            return Attention(
                channels, context, heads=heads, dim_head=channels // heads, upcast_attention=upcast_attention
            )

        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = attention(None)
        self.norm2 = nn.LayerNorm(channels)
        self.attn2 = attention(text_channels)
        self.norm2_plus = nn.LayerNorm(channels)
        self.attn2_plus = attention(context_channels)
        self.norm3 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels, activation_fn="geglu")

    def forward(
        self,
        hidden_states: Float[Tensor, "batch tokens channels"],
        text_states: Float[Tensor, "batch words text_channels"],
        residual_tokens: Float[Tensor, "batch tokens context"],
    ) -> Float[Tensor, "batch tokens channels"]:
        """Self attention, text attention, pixel-aware attention, feed-forward; each added to its input."""
        hidden_states = hidden_states + self.attn1(self.norm1(hidden_states))
        hidden_states = hidden_states + self.attn2(self.norm2(hidden_states), encoder_hidden_states=text_states)
        hidden_states = hidden_states + self.attn2_plus(
            self.norm2_plus(hidden_states), encoder_hidden_states=residual_tokens
        )
        return hidden_states + self.ff(self.norm3(hidden_states))


class PixelAwareTextTransformer(nn.Module):
    """The decoder's text transformer with PACA inside each of its blocks (`pasd_light`)."""

    def __init__(
        self,
        channels: int,
        context_channels: int,
        *,
        heads: int,
        layers: int,
        text_channels: int,
        norm_groups: int,
        upcast_attention: bool,
    ) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(norm_groups, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, kernel_size=1)
        self.proj_in_plus = nn.Conv2d(context_channels, context_channels, kernel_size=1)
        self.transformer_blocks = nn.ModuleList(
            PixelAwareTransformerBlock(
                channels,
                context_channels,
                heads=heads,
                text_channels=text_channels,
                upcast_attention=upcast_attention,
            )
            for _ in range(layers)
        )
        self.proj_out = nn.Conv2d(channels, channels, kernel_size=1)

    def forward(
        self,
        hidden_states: Float[Tensor, "batch channels height width"],
        text_states: Float[Tensor, "batch words text_channels"],
        residual: Float[Tensor, "batch context height width"],
    ) -> Float[Tensor, "batch channels height width"]:
        """Attend to the text and, pixel by pixel, to the projected residual."""
        tokens = pixel_tokens(self.proj_in(self.norm(hidden_states)))
        residual_tokens = pixel_tokens(self.proj_in_plus(residual))
        for block in self.transformer_blocks:
            tokens = block(tokens, text_states, residual_tokens)
        return hidden_states + self.proj_out(tokens.transpose(1, 2).unflatten(2, hidden_states.shape[2:]))
