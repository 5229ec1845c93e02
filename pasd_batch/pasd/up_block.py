"""One level of the UNet's decoder, with pixel-aware cross attention in every layer."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.upsampling import Upsample2D
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pasd_batch.pasd.paca import PacaForm, PixelAwareTextTransformer, PixelAwareTransformer


class UpBlockOptions(NamedTuple):
    """Composition of a decoder level."""

    paca: PacaForm
    has_text: bool
    has_upsampler: bool
    heads: int
    text_layers: int
    text_channels: int
    time_channels: int
    norm_groups: int
    norm_eps: float
    act_fn: str
    upcast_attention: bool


class PixelAwareUpBlock(nn.Module):
    """One decoder level: per layer a residual block, text attention (if the level has it) and PACA."""

    def __init__(self, in_channels: int, channels: int, skip_channels: Sequence[int], options: UpBlockOptions) -> None:
        super().__init__()
        self.gradient_checkpointing = False
        inputs = [in_channels] + [channels] * (len(skip_channels) - 1)
        self.resnets = nn.ModuleList(
            ResnetBlock2D(
                in_channels=hidden + skip,
                out_channels=channels,
                temb_channels=options.time_channels,
                eps=options.norm_eps,
                groups=options.norm_groups,
                non_linearity=options.act_fn,
            )
            for hidden, skip in zip(inputs, skip_channels, strict=True)
        )
        self.attentions = self.pixel_attentions = self.upsamplers = None
        if options.has_text:
            self.attentions = nn.ModuleList(_text_transformer(channels, skip, options) for skip in skip_channels)
        if options.paca == "pasd":
            self.pixel_attentions = nn.ModuleList(
                PixelAwareTransformer.for_layer(channels, skip, heads=options.heads, norm_groups=options.norm_groups)
                for skip in skip_channels
            )
        if options.has_upsampler:
            self.upsamplers = nn.ModuleList([Upsample2D(channels, use_conv=True)])

    def forward(
        self,
        hidden: Float[Tensor, "batch in_channels height width"],
        skips: list[Float[Tensor, "batch _c height width"]],
        contexts: list[Float[Tensor, "batch _c height width"]],
        time: Float[Tensor, "batch time_channels"],
        text_states: Float[Tensor, "batch words text_channels"],
        first: int = 0,
    ) -> Float[Tensor, "batch channels height width"]:
        """Run layers from `first` on, one for each skip; `skips` and `contexts` in their order, deep to shallow."""
        for layer, (skip, context) in enumerate(zip(skips, contexts, strict=True), start=first):
            inputs = (layer, hidden, skip, context, time, text_states)
            if self.gradient_checkpointing and torch.is_grad_enabled():
                hidden = checkpoint(self._layer, *inputs, use_reentrant=False)
            else:
                hidden = self._layer(*inputs)
        return hidden

    def _layer(
        self, layer: int, hidden: Tensor, skip: Tensor, context: Tensor, time: Tensor, text_states: Tensor
    ) -> Tensor:
        hidden = self.resnets[layer](torch.cat([hidden, skip], dim=1), time)
        if self.attentions is not None:
            attention = self.attentions[layer]
            if isinstance(attention, PixelAwareTextTransformer):
                hidden = attention(hidden, text_states, context)
            else:
                hidden = attention(hidden, encoder_hidden_states=text_states, return_dict=False)[0]
        if self.pixel_attentions is not None:
            hidden = self.pixel_attentions[layer](hidden, context)
        return hidden


def _text_transformer(channels: int, skip_channels: int, options: UpBlockOptions) -> nn.Module:
    if options.paca == "pasd_light":
        return PixelAwareTextTransformer(
            channels,
            skip_channels,
            heads=options.heads,
            layers=options.text_layers,
            text_channels=options.text_channels,
            norm_groups=options.norm_groups,
            upcast_attention=options.upcast_attention,
        )
    return Transformer2DModel(
        num_attention_heads=options.heads,
        attention_head_dim=channels // options.heads,
        in_channels=channels,
        num_layers=options.text_layers,
        cross_attention_dim=options.text_channels,
        norm_num_groups=options.norm_groups,
        upcast_attention=options.upcast_attention,
    )
