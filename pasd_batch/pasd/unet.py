"""The denoising UNet with pixel-aware cross attention in its decoder (section 3.2 of arXiv 2308.14469)."""

from collections.abc import Iterable, Sequence
from typing import cast

from diffusers.configuration_utils import register_to_config
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import silu

from pasd_batch.pasd.control_branch import ControlResiduals
from pasd_batch.pasd.encoder import DiffusionEncoder, EncoderFeatures, batch_timesteps, heads_per_level, skip_channels
from pasd_batch.pasd.paca import PacaForm
from pasd_batch.pasd.up_block import PixelAwareUpBlock, UpBlockOptions

TEXT_UP_BLOCK = "CrossAttnUpBlock2D"


class PixelAwareUNet(DiffusionEncoder):
    """Stable Diffusion's UNet whose decoder attends to the control residuals; a diffusers model.

    `paca="pasd"` gives every decoder layer a transformer of its own for it, `paca="pasd_light"` one more attention
    inside the text transformers. Parameter names are those of the published weights; without the PACA tensors they
    are Stable Diffusion 1.5's.
    """

    @register_to_config
    def __init__(
        self,
        paca: PacaForm = "pasd",
        sample_size: int | None = None,
        in_channels: int = 4,
        out_channels: int = 4,
        flip_sin_to_cos: bool = True,
        freq_shift: int = 0,
        down_block_types: Sequence[str] = (
            "CrossAttnDownBlock2D",
            "CrossAttnDownBlock2D",
            "CrossAttnDownBlock2D",
            "DownBlock2D",
        ),
        mid_block_type: str = "UNetMidBlock2DCrossAttn",
        up_block_types: Sequence[str] = (
            "UpBlock2D",
            "CrossAttnUpBlock2D",
            "CrossAttnUpBlock2D",
            "CrossAttnUpBlock2D",
        ),
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
    ) -> None:
        super().__init__()
        self._build_encoder()
        self.up_blocks = nn.ModuleList(self._build_up_block(level) for level in range(len(block_out_channels)))
        self.conv_norm_out = nn.GroupNorm(norm_num_groups, block_out_channels[0], eps=norm_eps)
        self.conv_out = nn.Conv2d(block_out_channels[0], out_channels, 3, padding=1)

    def _build_up_block(self, level: int) -> "PixelAwareUpBlock":
        config = self._options
        layers = config.layers_per_block + 1
        widths = list(reversed(config.block_out_channels))
        skips = list(reversed(skip_channels(config.block_out_channels, config.layers_per_block)))
        options = UpBlockOptions(
            paca=config.paca,
            has_text=config.up_block_types[level] == TEXT_UP_BLOCK,
            has_upsampler=level < len(widths) - 1,
            heads=heads_per_level(config.attention_head_dim, len(widths))[-1 - level],
            text_layers=config.transformer_layers_per_block,
            text_channels=config.cross_attention_dim,
            time_channels=4 * config.block_out_channels[0],
            norm_groups=config.norm_num_groups,
            norm_eps=config.norm_eps,
            act_fn=config.act_fn,
            upcast_attention=config.upcast_attention,
        )
        skips_of_level = skips[level * layers : (level + 1) * layers]
        return PixelAwareUpBlock(widths[max(level - 1, 0)], widths[level], skips_of_level, options)

    def forward(
        self,
        sample: Float[Tensor, "batch channels height width"],
        timestep: int | Int[Tensor, "..."] | Float[Tensor, "..."],
        text_states: Float[Tensor, "batch words text_channels"],
        residuals: ControlResiduals,
    ) -> Float[Tensor, "batch out_channels height width"]:
        """Predict the noise (or velocity) in `sample`.

        Args:
            sample: noisy latents, any height and width from 1 up.
            timestep: one for the batch, or one per sample.
            text_states: text encoder states of the prompts.
            residuals: the control branch's, for the same latents; added to the skips, and raw the contexts of PACA.
        """
        timesteps = batch_timesteps(timestep, sample.shape[0], sample.device)
        features = self.encode(sample, timesteps, text_states)
        deep = self._decode(features, text_states, residuals)
        return self._last_layer(deep, features.skips[0], residuals.skips[0], features.time, text_states)

    def deep_features(
        self,
        sample: Float[Tensor, "batch channels height width"],
        timestep: int | Int[Tensor, "..."] | Float[Tensor, "..."],
        text_states: Float[Tensor, "batch words text_channels"],
        residuals: ControlResiduals,
    ) -> Float[Tensor, "batch _c height width"]:
        """Input of the decoder's last layer, about nine tenths of the work; arguments as for `forward`.

        From one step to the next they change little (DeepCache, arXiv 2312.00858).
        """
        timesteps = batch_timesteps(timestep, sample.shape[0], sample.device)
        return self._decode(self.encode(sample, timesteps, text_states), text_states, residuals)

    def predict_from(
        self,
        deep: Float[Tensor, "batch _c height width"],
        sample: Float[Tensor, "batch channels height width"],
        timestep: int | Int[Tensor, "..."] | Float[Tensor, "..."],
        text_states: Float[Tensor, "batch words text_channels"],
        residual: Float[Tensor, "batch width0 height width"],
    ) -> Float[Tensor, "batch out_channels height width"]:
        """Predict from deep features, of this or an earlier step, by the outermost layers alone.

        Args:
            deep: `deep_features`.
            sample: noisy latents of this step.
            timestep: as for a whole call.
            text_states: text encoder states of the prompts.
            residual: the control branch's first, for these latents.
        """
        timesteps = batch_timesteps(timestep, sample.shape[0], sample.device)
        time = self.embed_time(timesteps, sample.dtype)
        return self._last_layer(deep, self.embed_input(sample), residual, time, text_states)

    def _decode(self, features: EncoderFeatures, text_states: Tensor, residuals: ControlResiduals) -> Tensor:
        """Run the decoder but for its last layer, which alone reads the first skip."""
        hidden = features.middle + residuals.middle
        skips = [skip + residual for skip, residual in zip(features.skips[1:], residuals.skips[1:], strict=True)]
        contexts = residuals.skips[1:]
        for block in cast(Iterable[PixelAwareUpBlock], self.up_blocks):
            layers = len(block.resnets)
            hidden = block(hidden, skips[: -layers - 1 : -1], contexts[: -layers - 1 : -1], features.time, text_states)
            del skips[-layers:], contexts[-layers:]
            if block.upsamplers is not None:
                hidden = block.upsamplers[0](hidden, tuple(skips[-1].shape[2:]))
        return hidden

    def _last_layer(self, deep: Tensor, skip: Tensor, residual: Tensor, time: Tensor, text_states: Tensor) -> Tensor:
        block = cast(PixelAwareUpBlock, self.up_blocks[-1])
        hidden = block(deep, [skip + residual], [residual], time, text_states, first=len(block.resnets) - 1)
        return self.conv_out(silu(self.conv_norm_out(hidden)))
