"""Settings of the losses on restored pictures: training end to end through the decoder, in one step or a few."""

from typing import Annotated, Literal

from pydantic import Field

from pasd_batch.config.base import Settings
from pasd_batch.config.intervals import Probability
from pasd_batch.config.marks import Weights
from pasd_batch.config.weights import WeightsPath


class AdversarialSettings(Settings):
    """A discriminator that learns to tell restored pictures from clean ones, patch by patch."""

    weight: float = Field(default=0.5, gt=0.0)
    """Size of its gradient on the pictures, as a multiple of the L1 error's."""

    width: int = Field(default=64, ge=8, multiple_of=8)
    """Channels of its first layer; the last one has eight times as many."""

    penalty: float = Field(default=0.001, ge=0.0)
    """Weight of the squared slope of its outputs at clean pictures, which keeps it from becoming too sure; 0.01 keeps
    it from learning."""


class PictureLossSettings(Settings):
    """Pictures sampled as restoring does, compared with a target that the noise level alpha_a decides on.

    A sample's target is its clean picture at alpha_a = 1 and the teacher's at 0 (without a teacher the clean one), in
    between a mixture. The perceptual and the adversarial term count by 1 - alpha_a.
    """

    weight: float = Field(default=1.0, gt=0.0)
    """Weight of the whole, in which the L1 error of pictures in [-1, 1] counts once."""

    steps: int = Field(default=1, ge=1, le=50)
    """Steps that pictures are sampled in. Each batch learns one of them, drawn; those before it only lead there."""

    pure_noise_share: Probability = 0.5
    """Share of samples at alpha_a = 0; the others' alpha_a is uniform in [0, 1]."""

    teacher: Annotated[WeightsPath | None, Weights()] = None
    """Weights of Real-ESRGAN x4plus (`benchmarks/convert_real_esrgan.py` makes the file); none: no teacher."""

    perceptual: float = Field(default=0.0, ge=0.0)
    """Size of the gradient of ST-LPIPS on the pictures, as a multiple of the L1 error's; above 0 it needs the package
    `stlpips-pytorch`."""

    perceptual_network: Literal["alex", "vgg"] = "vgg"
    """Network whose features the perceptual distance compares: AlexNet, or the slower VGG-16."""

    adversarial: AdversarialSettings | None = None
    """A discriminator; none: no adversarial term."""
