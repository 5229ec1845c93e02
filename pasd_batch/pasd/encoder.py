"""The UNet encoder and middle block that the denoiser and its control branch both have."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.loaders.peft import PeftAdapterMixin
from diffusers.models.attention import AttentionMixin
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.unets.unet_2d_blocks import get_down_block, get_mid_block
from jaxtyping import Float, Int
from torch import Tensor, nn

TEXT_DOWN_BLOCK = "CrossAttnDownBlock2D"


class EncoderFeatures(NamedTuple):
    """Features that the encoder hands to the decoder."""

    skips: list[Float[Tensor, "batch _c _h _w"]]
    """One feature map per skip connection, shallow to deep."""

    middle: Float[Tensor, "batch _c _h _w"]
    """The middle block's output."""

    time: Float[Tensor, "batch time_channels"]
    """The time embedding after its two linear layers."""


class DiffusionEncoder(ModelMixin, AttentionMixin, ConfigMixin, PeftAdapterMixin):
    """Stable Diffusion's encoder, middle block and time embedding, composed from diffusers' blocks.

    A base class: subclasses register their configuration (`attention_head_dim` is, as in Stable Diffusion 1.5, the
    number of heads) and then call `_build_encoder`.
    """

    _supports_gradient_checkpointing = True
    _repeated_blocks = (
        "ResnetBlock2D",
        "Transformer2DModel",
        "PixelAwareTransformer",
        "PixelAwareTextTransformer",
        "ChannelsLastResidualBlock",
        "ChannelsLastTransformer",
        "ChannelsLastPixelAwareTransformer",
    )

    conv_in: nn.Conv2d
    time_proj: Timesteps
    time_embedding: TimestepEmbedding
    down_blocks: nn.ModuleList
    mid_block: nn.Module

    @property
    def _options(self) -> Any:
        # diffusers declares a plain dict, but gives one with attributes.
        return self.config

    def _build_encoder(self) -> None:
        config = self._options
        widths = config.block_out_channels
        time_channels = 4 * widths[0]
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.time_proj = Timesteps(widths[0], config.flip_sin_to_cos, config.freq_shift)
        self.time_embedding = TimestepEmbedding(widths[0], time_channels, act_fn=config.act_fn)
        heads = heads_per_level(config.attention_head_dim, len(widths))
        self.down_blocks = nn.ModuleList(
            get_down_block(
                kind,
                num_layers=config.layers_per_block,
                in_channels=widths[max(level - 1, 0)],
                out_channels=widths[level],
                add_downsample=level < len(widths) - 1,
                downsample_padding=config.downsample_padding,
                **self._block_options(time_channels, heads[level]),
            )
            for level, kind in enumerate(config.down_block_types)
        )
        self.mid_block = get_mid_block(
            config.mid_block_type,
            in_channels=widths[-1],
            **self._block_options(time_channels, heads[-1]),
        )

    def _block_options(self, time_channels: int, heads: int) -> dict[str, Any]:
        config = self._options
        return {
            "temb_channels": time_channels,
            "num_attention_heads": heads,
            "attention_head_dim": heads,
            "resnet_eps": config.norm_eps,
            "resnet_act_fn": config.act_fn,
            "resnet_groups": config.norm_num_groups,
            "cross_attention_dim": config.cross_attention_dim,
            "transformer_layers_per_block": config.transformer_layers_per_block,
            "upcast_attention": config.upcast_attention,
        }

    def embed_time(
        self, timestep: Int[Tensor, " batch"] | Float[Tensor, " batch"], dtype: torch.dtype
    ) -> Float[Tensor, "batch time_channels"]:
        """The time embedding, whose sinusoid is computed in float32 whatever the model's precision."""
        return self.time_embedding(self.time_proj(timestep).to(dtype))

    def embed_input(
        self,
        sample: Float[Tensor, "batch channels height width"],
        embedding: Float[Tensor, "batch width0 height width"] | None = None,
    ) -> Float[Tensor, "batch width0 height width"]:
        """First convolution of `sample`, plus `embedding`: the first of the skips."""
        hidden = self.conv_in(sample)
        return hidden if embedding is None else hidden + embedding

    def encode(
        self,
        sample: Float[Tensor, "batch channels height width"],
        timestep: Int[Tensor, " batch"] | Float[Tensor, " batch"],
        text_states: Float[Tensor, "batch words text_channels"],
        embedding: Float[Tensor, "batch width0 height width"] | None = None,
    ) -> EncoderFeatures:
        """Run the encoder; `embedding` is added after the first convolution."""
        time = self.embed_time(timestep, sample.dtype)
        hidden = self.embed_input(sample, embedding)
        skips = [hidden]
        for kind, block in zip(self._options.down_block_types, self.down_blocks, strict=True):
            text = {"encoder_hidden_states": text_states} if kind == TEXT_DOWN_BLOCK else {}
            hidden, block_skips = block(hidden_states=hidden, temb=time, **text)
            skips.extend(block_skips)
        return EncoderFeatures(skips, self.mid_block(hidden, time, encoder_hidden_states=text_states), time)


def heads_per_level(heads: int | Sequence[int], levels: int) -> list[int]:
    """Number of attention heads of each level, from one number for all or a list."""
    return [heads] * levels if isinstance(heads, int) else list(heads)


def skip_channels(widths: Sequence[int], layers_per_block: int) -> list[int]:
    """Channel count of every skip connection, shallow to deep: conv_in, then each level's layers and downsampler."""
    channels = [widths[0]]
    for level, width in enumerate(widths):
        has_downsampler = level < len(widths) - 1
        channels.extend([width] * (layers_per_block + has_downsampler))
    return channels


def batch_timesteps(timestep: int | Tensor, batch: int, device: torch.device) -> Tensor:
    """One timestep for each sample of a batch, from a number or a tensor of one or `batch` elements."""
    return torch.as_tensor(timestep, device=device).reshape(-1).expand(batch)
