"""Settings of the networks that are trained: where they start, how large they are, which parts learn."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pasd_batch.config.base import Settings
from pasd_batch.config.marks import Weights
from pasd_batch.config.model import BASE_PARTS, CONTROL_PARTS
from pasd_batch.config.weights import WeightsPath


class TrainablePart(StrEnum):
    """Parts of PASD by the paper's names; the VAE's encoder, which decides on the latents, is fixed before."""

    CONTROL_BRANCH = "control_branch"
    DEGRADATION_REMOVAL = "degradation_removal"
    PACA = "paca"
    UNET = "unet"
    """The UNet without its PACA layers."""
    TEXT_ENCODER = "text_encoder"
    DECODER = "decoder"
    """The VAE's, which only `losses.picture` looks at."""


class PacaVariant(StrEnum):
    """Forms of pixel-aware cross attention."""

    PASD = "pasd"
    PASD_LIGHT = "pasd_light"


class BranchSettings(Settings):
    """Parts of the control branch besides its copy of the UNet's encoder."""

    conditioning_embedding_out_channels: tuple[int, int, int, int] = (16, 32, 96, 256)
    """Widths of the degradation removal module at full size, 1/2, 1/4 and 1/8."""

    use_rrdb: bool = False
    """Two RRDB blocks at the start of the degradation removal module."""

    return_rgbs: bool = True
    """To-RGB heads, which L_DR needs."""


class BetaSchedule(StrEnum):
    """Growth of the noise's variance from `beta_start` to `beta_end`."""

    LINEAR = "linear"
    SCALED_LINEAR = "scaled_linear"
    SQUARED_COSINE = "squaredcos_cap_v2"


class NoiseScheduleSettings(Settings):
    """The forward diffusion; defaults are those of Stable Diffusion 1.5."""

    num_train_timesteps: int = Field(default=1000, ge=2)
    """Timesteps."""

    beta_start: float = Field(default=0.00085, gt=0.0, lt=1.0)
    """Variance of the first step."""

    beta_end: float = Field(default=0.012, gt=0.0, lt=1.0)
    """Variance of the last step."""

    beta_schedule: BetaSchedule = BetaSchedule.SCALED_LINEAR
    """Block between encoder and decoder."""

    rescale_betas_zero_snr: bool = False
    """Shift the schedule so that the last timestep is pure noise (needs v prediction)."""


class UNetSizes(Settings):
    """A UNet trained from scratch; one number of each list for every level, the finest first."""

    widths: tuple[int, ...] = (64, 128, 192, 192)
    """Channels; the time embedding has four times the first."""

    text_attention: tuple[bool, ...] = (False, True, True, False)
    """Levels with transformers (self attention and text attention)."""

    heads: int = Field(default=4, ge=1)
    """Attention heads."""

    layers_per_block: int = Field(default=2, ge=1)
    """Residual blocks a level; the decoder has one more."""

    norm_groups: int = Field(default=32, ge=1)
    """Groups of the normalisations."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.text_attention) != len(self.widths):
            raise ValueError(f"text_attention has {len(self.text_attention)} levels, widths {len(self.widths)}")
        for divisor, name in ((self.norm_groups, "norm_groups"), (self.heads, "heads")):
            if odd := [width for width in self.widths if width % divisor]:
                raise ValueError(f"{name} {divisor} does not divide the widths {odd}")
        return self


class TextEncoderSizes(Settings):
    """A minimal CLIP text encoder on bytes; its width is also that of the UNet's text attention."""

    width: int = Field(default=64, ge=8)
    """Channels; an attention head for every 64 of them."""

    layers: int = Field(default=1, ge=1)
    """Transformer layers."""


class FromStableDiffusion(Settings):
    """Published PASD's start: a frozen Stable Diffusion base, a control branch copied from its encoder."""

    start: Literal["stable_diffusion"] = "stable_diffusion"
    """Names this start."""

    base: Annotated[WeightsPath, Weights(("unet", *BASE_PARTS))]
    """Stable Diffusion 1.5 (`unet/ vae/ text_encoder/ tokenizer/ scheduler/`): a folder, a name or an address."""

    paca: PacaVariant = PacaVariant.PASD
    """Form of PACA."""

    branch: BranchSettings = BranchSettings()
    """The control branch."""

    allow_pickle: bool = False
    """Also read `.bin` weights, which are unpickled (with `weights_only`)."""

    schedule: NoiseScheduleSettings | None = None
    """The forward diffusion; none: the base's own."""


class FromPasd(Settings):
    """A trained PASD to train further."""

    start: Literal["pasd"] = "pasd"
    """Names this start."""

    base: Annotated[WeightsPath, Weights(BASE_PARTS)]
    """Folder with `vae/ text_encoder/ tokenizer/ scheduler/`."""

    control: Annotated[WeightsPath, Weights(CONTROL_PARTS)]
    """PASD folder (`unet/ controlnet/`); for models trained from scratch the same folder as `base`."""

    carries_base: bool = False
    """Also put the base's parts into the output folder, as for models trained from scratch."""

    allow_pickle: bool = False
    """Also read `.bin` weights, which are unpickled (with `weights_only`)."""

    schedule: NoiseScheduleSettings | None = None
    """The forward diffusion; none: that of `control`, or where it keeps none the base's."""


class FromScratch(Settings):
    """A model of one's own size; the output folder also has the base's parts."""

    start: Literal["scratch"] = "scratch"
    """Names this start."""

    vae: Annotated[WeightsPath, Weights(("vae",))]
    """Folder with a trained `vae/`, such as the output of VAE training."""

    unet: UNetSizes = UNetSizes()
    """The UNet."""

    text_encoder: TextEncoderSizes = TextEncoderSizes()
    """The text encoder."""

    paca: PacaVariant = PacaVariant.PASD
    """Form of PACA."""

    branch: BranchSettings = BranchSettings()
    """The control branch."""

    schedule: NoiseScheduleSettings = NoiseScheduleSettings()
    """The forward diffusion."""


class FromRealEsrgan(Settings):
    """A small model whose first prediction is made by layers of Real-ESRGAN x4plus; the output has the base's parts.

    Its degradation removal module is an RRDBNet at 1/4 of the photo, its VAE's decoder ends in Real-ESRGAN's upsampling
    layers. Everything can be trained further. Prompts have no effect unless the text encoder is `trainable`.
    """

    start: Literal["real_esrgan"] = "real_esrgan"
    """Names this start."""

    generator: Annotated[WeightsPath, Weights()]
    """Real-ESRGAN x4plus, a safetensors file made by `benchmarks/convert_real_esrgan.py`."""

    blocks: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(0, 1, 2, 4, 5, 6, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22), min_length=1
    )
    """Its residual blocks that are kept, in order. The default is left of all 23 after taking out, seven times, the
    one without which the features change least (`docs/training.md`)."""

    latent_channels: int = Field(default=48, ge=1)
    """Channels of the latents: principal components of the generator's features."""

    unet: UNetSizes = UNetSizes(
        widths=(112, 48, 32), text_attention=(False, False, True), heads=4, layers_per_block=1, norm_groups=8
    )
    """The UNet; its first level needs room for each latent channel twice."""

    text_encoder: TextEncoderSizes = TextEncoderSizes()
    """The text encoder."""

    paca: PacaVariant = PacaVariant.PASD
    """Form of PACA."""

    schedule: NoiseScheduleSettings = NoiseScheduleSettings()
    """The forward diffusion."""


ModelStart = Annotated[FromStableDiffusion | FromPasd | FromScratch | FromRealEsrgan, Field(discriminator="start")]
"""Start of a training, told apart by `start`."""
