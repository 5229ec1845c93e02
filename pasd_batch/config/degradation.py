"""Settings of how training pictures are degraded; defaults are those of the released PASD (Real-ESRGAN's chain)."""

import math
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pasd_batch.config.base import Settings
from pasd_batch.config.intervals import (
    CutoffInterval,
    FactorInterval,
    NonNegativeInterval,
    Probability,
    QualityInterval,
    Strength,
    Weight,
)
from pasd_batch.config.old_photo import OldPhotoSettings


class ResizeMode(StrEnum):
    """Interpolation of pixels; none of them filters against aliasing but `area`."""

    AREA = "area"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


class KernelSizes(Settings):
    """Side lengths of blur kernels, pixels, odd numbers only."""

    smallest: int = Field(default=7, ge=3)
    """Smallest side."""

    largest: int = Field(default=21, ge=3)
    """Largest side; all kernels are padded to it with zeros."""

    @model_validator(mode="after")
    def _odd_and_ascending(self) -> Self:
        if self.smallest % 2 == 0 or self.largest % 2 == 0 or self.smallest > self.largest:
            raise ValueError(f"kernel sides {self.smallest} to {self.largest} must be odd and ascend")
        return self


class BlurSettings(Settings):
    """One blur with a random kernel."""

    probability: Probability = 1.0
    """Probability of blurring at all."""

    sizes: KernelSizes = KernelSizes()
    """Kernel side lengths."""

    sigma: NonNegativeInterval = (0.2, 3.0)
    """Standard deviation along each axis, pixels."""


class ResizeSettings(Settings):
    """One resize by a random factor."""

    up: Weight = 0.2
    """Weight of enlarging, by a factor between 1 and the highest of `factor`."""

    down: Weight = 0.7
    """Weight of shrinking, by a factor between the lowest of `factor` and 1."""

    keep: Weight = 0.1
    """Weight of factor 1."""

    factor: FactorInterval = (0.3, 1.5)
    """Lowest and highest factor; 1 must lie between them."""

    @model_validator(mode="after")
    def _one_inside(self) -> Self:
        if not self.factor[0] <= 1.0 <= self.factor[1]:
            raise ValueError(f"factor {list(self.factor)} must have 1 between its ends")
        if self.up + self.down + self.keep <= 0.0:
            raise ValueError("up, down and keep are all 0; give at least one of them a weight")
        return self


class NoiseSettings(Settings):
    """One layer of sensor noise, either Gaussian or Poisson."""

    sigma: NonNegativeInterval = (1.0, 15.0)
    """Gaussian standard deviation, 8-bit levels."""

    poisson_scale: NonNegativeInterval = (0.05, 2.0)
    """Factor on the Poisson noise."""


class StageSettings(Settings):
    """One of the two rounds of blur, resize, noise and JPEG."""

    blur: BlurSettings = BlurSettings()
    """Blur at the start of the round."""

    resize: ResizeSettings = ResizeSettings()
    """Resize after the blur."""

    noise: NoiseSettings = NoiseSettings()
    """Noise after the resize."""

    jpeg_quality: QualityInterval = (60.0, 95.0)
    """JPEG quality at the end of the round."""


SECOND_STAGE = StageSettings(
    blur=BlurSettings(probability=0.5, sigma=(0.2, 1.5)),
    resize=ResizeSettings(up=0.3, down=0.4, keep=0.3, factor=(0.6, 1.2)),
    noise=NoiseSettings(sigma=(1.0, 12.0), poisson_scale=(0.05, 1.0)),
    jpeg_quality=(60.0, 100.0),
)
"""The published second round, milder than the first."""


class FinalSincSettings(Settings):
    """The last filter, which leaves the ringing of a sharpened or compressed picture."""

    probability: Probability = 0.8
    """Probability of the filter."""

    cutoff: CutoffInterval = (math.pi / 3, math.pi)
    """Cutoff frequency, radians per pixel."""


class RealEsrganSettings(Settings):
    """Second-order chain of Real-ESRGAN, as PASD was trained with."""

    chain: Literal["realesrgan"] = "realesrgan"
    """Names this chain."""

    strength: Strength = 1.0
    """1: as published; below, every range is contracted towards no degradation (see `degradation/strength.py`)."""

    scale: int = Field(default=4, ge=1, le=16)
    """Factor by which the degraded picture is smaller than the clean one."""

    resize_back: bool = True
    """Resize the degraded picture to the clean one's size, as training needs it; off: leave it small."""

    resize_modes: tuple[ResizeMode, ...] = Field(default=tuple(ResizeMode), min_length=1)
    """Interpolations that each resize draws from, equally likely."""

    first: StageSettings = StageSettings()
    """First round."""

    second: StageSettings = SECOND_STAGE
    """Second round."""

    final_sinc: FinalSincSettings = FinalSincSettings()
    """Filter at the end."""


class BicubicSettings(Settings):
    """Antialiased bicubic shrinking and nothing else: the classical super-resolution task."""

    chain: Literal["bicubic"] = "bicubic"
    """Names this chain."""

    scale: int = Field(default=2, ge=1, le=16)
    """Factor by which the degraded picture is smaller than the clean one."""

    resize_back: bool = True
    """Resize the degraded picture (bicubic) to the clean one's size; off: leave it small."""


class GrayscaleSettings(Settings):
    """Loss of colour and nothing else, the input that colorization is trained on."""

    chain: Literal["grayscale"] = "grayscale"
    """Names this chain."""


SingleDegradation = Annotated[
    RealEsrganSettings | BicubicSettings | OldPhotoSettings | GrayscaleSettings, Field(discriminator="chain")
]
"""One chain of degradations, told apart by its `chain`."""


class MixtureShare(Settings):
    """One of a mixture's chains."""

    weight: Weight = 1.0
    """Weight: the frequency of this chain relative to the others."""

    degradation: SingleDegradation
    """The chain."""


class MixtureSettings(Settings):
    """Several chains, one of them drawn for each sample: a model for all of them."""

    chain: Literal["mixture"] = "mixture"
    """Names this chain."""

    shares: tuple[MixtureShare, ...] = Field(min_length=1)
    """The chains; every one must give pictures of the same size."""

    @model_validator(mode="after")
    def _some_share(self) -> Self:
        if not any(share.weight for share in self.shares):
            raise ValueError("all shares have weight 0; give at least one of them a weight")
        return self


DegradationSettings = Annotated[
    RealEsrganSettings | BicubicSettings | OldPhotoSettings | GrayscaleSettings | MixtureSettings,
    Field(discriminator="chain"),
]
"""One chain of degradations or a mixture of them, told apart by its `chain`."""
