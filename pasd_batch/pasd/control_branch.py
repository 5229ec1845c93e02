"""Control branch: a copy of the base UNet's encoder that turns a degraded photo into residuals.

Section 3.1 of arXiv 2308.14469, after ControlNet (arXiv 2302.05543). Zero-initialised 1x1 convolutions give one
residual per skip connection of the UNet and one for its middle block.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from diffusers.configuration_utils import register_to_config
from jaxtyping import Float, Int
from torch import Tensor, nn

from pasd_batch.pasd.degradation_removal import DegradationRemovalModule, RrdbDegradationRemoval
from pasd_batch.pasd.encoder import DiffusionEncoder, batch_timesteps, skip_channels


class ControlResiduals(NamedTuple):
    """Outputs of the control branch, which the UNet reads."""

    skips: list[Float[Tensor, "batch _c _h _w"]]
    """One per skip connection of the UNet, shallow to deep; also the contexts of PACA."""

    middle: Float[Tensor, "batch _c _h _w"]
    """Added to the output of the UNet's middle block."""


class ControlBranch(DiffusionEncoder):
    """ControlNet-like encoder with the degradation removal module in front; a diffusers model.

    Serves all published variants: `use_rrdb` adds two RRDB blocks to the degradation removal module, `return_rgbs`
    its to-RGB heads. Parameter names are those of the published weights. With `rrdb_blocks` the module is an RRDBNet
    of so many blocks instead of the published pyramid.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 4,
        conditioning_channels: int = 3,
        flip_sin_to_cos: bool = True,
        freq_shift: int = 0,
        down_block_types: Sequence[str] = (
            "CrossAttnDownBlock2D",
            "CrossAttnDownBlock2D",
            "CrossAttnDownBlock2D",
            "DownBlock2D",
        ),
        mid_block_type: str = "UNetMidBlock2DCrossAttn",
        block_out_channels: Sequence[int] = (320, 640, 1280, 1280),
        layers_per_block: int = 2,
        downsample_padding: int = 1,
        act_fn: str = "silu",
        norm_num_groups: int = 32,
        norm_eps: float = 1e-5,
        cross_attention_dim: int = 768,
        transformer_layers_per_block: int = 1,
        attention_head_dim: int | Sequence[int] = 8,
        upcast_attention: bool = False,
        conditioning_embedding_out_channels: Sequence[int] = (16, 32, 96, 256),
        use_rrdb: bool = False,
        return_rgbs: bool = True,
        rrdb_blocks: int = 0,
    ) -> None:
        super().__init__()
        self._build_encoder()
        if rrdb_blocks:
            self.controlnet_cond_embedding = RrdbDegradationRemoval(
                block_out_channels[0], rrdb_blocks, image_channels=conditioning_channels, return_rgbs=return_rgbs
            )
        else:
            self.controlnet_cond_embedding = DegradationRemovalModule(
                block_out_channels[0],
                conditioning_embedding_out_channels,
                image_channels=conditioning_channels,
                use_rrdb=use_rrdb,
                return_rgbs=return_rgbs,
            )
        self.controlnet_down_blocks = nn.ModuleList(
            zero_convolution(channels) for channels in skip_channels(block_out_channels, layers_per_block)
        )
        self.controlnet_mid_block = zero_convolution(block_out_channels[-1])

    def forward(
        self,
        sample: Float[Tensor, "batch channels height width"],
        timestep: int | Int[Tensor, "..."] | Float[Tensor, "..."],
        text_states: Float[Tensor, "batch words text_channels"],
        embedding: Float[Tensor, "batch width0 height width"],
        *,
        conditioning_scale: float = 1.0,
        guess_mode: bool = False,
    ) -> ControlResiduals:
        """Residuals for one denoising step.

        Args:
            sample: noisy latents.
            timestep: one for the batch, or one per sample.
            text_states: text encoder states of the prompts.
            embedding: `controlnet_cond_embedding(photo).embedding`; it does not depend on the step, so that a
                sampler computes it once per photo.
            conditioning_scale: factor on every residual.
            guess_mode: let the factors grow from 0.1 at the first residual to 1 at the middle block's.
        """
        timesteps = batch_timesteps(timestep, sample.shape[0], sample.device)
        features = self.encode(sample, timesteps, text_states, embedding)
        scales = residual_scales(len(features.skips) + 1, conditioning_scale, guess_mode)
        skips = [
            _scaled(project(skip), scale)
            for project, skip, scale in zip(self.controlnet_down_blocks, features.skips, scales[:-1], strict=True)
        ]
        return ControlResiduals(skips, _scaled(self.controlnet_mid_block(features.middle), scales[-1]))

    def first_residual(
        self,
        sample: Float[Tensor, "batch channels height width"],
        embedding: Float[Tensor, "batch width0 height width"],
        *,
        conditioning_scale: float = 1.0,
        guess_mode: bool = False,
    ) -> Float[Tensor, "batch width0 height width"]:
        """The first residual alone, which depends on no other layer; arguments as for all of them."""
        scale = residual_scales(len(self.controlnet_down_blocks) + 1, conditioning_scale, guess_mode)[0]
        return _scaled(self.controlnet_down_blocks[0](self.embed_input(sample, embedding)), scale)


def _scaled(residual: Tensor, scale: float) -> Tensor:
    # A factor of 1 would only be another pass over memory.
    return residual if scale == 1.0 else residual * scale


def zero_convolution(channels: int) -> nn.Conv2d:
    """1x1 convolution that starts at zero, so that an untrained branch changes nothing."""
    convolution = nn.Conv2d(channels, channels, kernel_size=1)
    nn.init.zeros_(convolution.weight)
    nn.init.zeros_(convolution.bias)  # pyright: ignore[reportArgumentType]
    return convolution


def residual_scales(count: int, conditioning_scale: float, guess_mode: bool) -> Sequence[float]:
    """Factor of each residual: constant, or in guess mode logarithmically spaced from 0.1 to 1 of it."""
    if not guess_mode:
        return [conditioning_scale] * count
    return (torch.logspace(-1, 0, count) * conditioning_scale).tolist()
