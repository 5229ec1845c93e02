"""Settings of training the VAE below a model of one's own."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pasd_batch.config.base import Settings
from pasd_batch.config.intervals import Probability
from pasd_batch.config.marks import Weights
from pasd_batch.config.trainer import TrainerSettings
from pasd_batch.config.weights import WeightsPath


class VaeSizes(Settings):
    """An 8x KL autoencoder without attention, so that it can be tiled."""

    latent_channels: int = Field(default=16, ge=1)
    """Channels of the latents; the more, the more detail survives."""

    widths: tuple[int, int, int, int] = (32, 64, 128, 128)
    """Channels at full size, 1/2, 1/4 and 1/8; the first decides what a large photo costs."""

    layers_per_block: int = Field(default=1, ge=1)
    """Residual blocks a level of the encoder; the decoder has one more."""

    norm_groups: int = Field(default=8, ge=1)
    """Groups of the normalisations."""

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if odd := [width for width in self.widths if width % self.norm_groups]:
            raise ValueError(f"norm_groups {self.norm_groups} does not divide the widths {odd}")
        return self


class VaeLossSettings(Settings):
    """L1 + a perceptual distance + a small KL divergence, each a mean over its elements."""

    l1: float = Field(default=1.0, ge=0.0)
    """Weight of the absolute error, pictures in [-1, 1]."""

    perceptual: float = Field(default=0.0, ge=0.0)
    """Weight of ST-LPIPS; above 0 it needs the package `stlpips-pytorch`."""

    perceptual_network: Literal["alex", "vgg"] = "alex"
    """Network whose features the perceptual distance compares: AlexNet, or the slower VGG-16."""

    perceptual_share: float = Field(default=1.0, gt=0.0, le=1.0)
    """Share of each batch that the perceptual distance looks at; it costs about as much as a small decoder."""

    kl: float = Field(default=1e-6, ge=0.0)
    """Weight of the divergence of the latents from a unit normal."""

    @model_validator(mode="after")
    def _some_error(self) -> Self:
        if self.l1 == self.perceptual == 0.0:
            raise ValueError("l1 and perceptual are both 0; there is nothing to reconstruct")
        return self


class VaeTrainingSettings(TrainerSettings):
    """Training of the VAE that a model from scratch stands on."""

    trains: Literal["vae"] = "vae"
    """Names this training."""

    sizes: VaeSizes = VaeSizes()
    """The network."""

    initial: Annotated[WeightsPath | None, Weights(("vae",))] = None
    """Folder with a `vae/` of these sizes to train further; none: fresh weights."""

    decoder_only: bool = False
    """Keep the encoder of `initial`, and so the latents that a denoiser is trained on; only the decoder learns."""

    losses: VaeLossSettings = VaeLossSettings()
    """The objective."""

    degraded_share: Probability = 0.25
    """Share of samples that are the degraded picture instead of the clean one: sampling starts from its latent."""

    @model_validator(mode="after")
    def _not_recorded(self) -> Self:
        if self.cuda_graph:
            raise ValueError("cuda_graph is for trains: pasd; set it to false")
        return self

    @model_validator(mode="after")
    def _encoder_worth_keeping(self) -> Self:
        if self.decoder_only and self.initial is None:
            raise ValueError("decoder_only with a random encoder teaches nothing; set initial")
        return self
