"""Settings of the losses on restored pictures: training end to end through the decoder, in one step or a few."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pasd_batch.config.base import Settings
from pasd_batch.config.intervals import Probability
from pasd_batch.config.marks import Weights
from pasd_batch.config.sampling import NEGATIVE_PROMPT, QUALITY_SUFFIX
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


class OwnTeacherSettings(Settings):
    """The model that training starts from, sampled in many steps, as it stands when training begins.

    Student and teacher begin with the same noised photo, so that what several guided steps make of it is learned as it
    is (arXiv 2101.02388), guidance and words of quality included.
    """

    steps: int = Field(default=20, ge=2, le=100)
    """DDIM steps; a sample costs as many calls of the networks, twice as many where it is guided."""

    guidance_scale: float = Field(default=9.0, ge=1.0)
    """Classifier-free guidance; at 1 the negative prompt is not evaluated."""

    added_prompt: str = QUALITY_SUFFIX
    """Behind every caption, for the teacher alone."""

    negative_prompt: str = NEGATIVE_PROMPT
    """Prompt that guidance steers away from."""


SMALLEST_GRID_CROP = 72
"""Pixels a side of crops that have a window of the grid's measure and of differences in it, in multiples of 8."""


class PictureLossSettings(Settings):
    """Pictures sampled as restoring does, compared with a target that the noise level alpha_a decides on.

    A sample's target is its clean picture at alpha_a = 1 and the teacher's at 0 (without a teacher the clean one), in
    between a mixture; with `own_teacher` it is what that makes of the photo at the same alpha_a. The perceptual term,
    which compares with the same target, the adversarial one and the penalty on a grid count by 1 - alpha_a.
    """

    weight: float = Field(default=1.0, gt=0.0)
    """Weight of the whole, in which the L1 error of pictures in [-1, 1] counts once."""

    steps: int = Field(default=1, ge=1, le=50)
    """Steps that pictures are sampled in. Each batch learns one of them, drawn; those before it only lead there."""

    pure_noise_share: Probability = 0.5
    """Share of samples at alpha_a = 0; the others' alpha_a is uniform in [0, 1]."""

    teacher: Annotated[WeightsPath | None, Weights()] = None
    """Weights of Real-ESRGAN x4plus (`benchmarks/convert_real_esrgan.py` makes the file); none: no teacher."""

    own_teacher: OwnTeacherSettings | None = None
    """The model that training starts from, in many steps, in the place of `teacher`: distillation to fewer steps."""

    perceptual: float = Field(default=0.0, ge=0.0)
    """Size of the gradient of ST-LPIPS on the pictures, as a multiple of the L1 error's; above 0 it needs the package
    `stlpips-pytorch`."""

    perceptual_network: Literal["alex", "vgg"] = "vgg"
    """Network whose features the perceptual distance compares: AlexNet, or the slower VGG-16."""

    adversarial: AdversarialSettings | None = None
    """A discriminator; none: no adversarial term."""

    grid: float = Field(default=0.0, ge=0.0)
    """Size of the gradient of a penalty on patterns that repeat every 8 pixels, as perceptual and adversarial terms
    leave them, as a multiple of the L1 error's; it is 0 where there is no more of them than in the clean pictures.
    Above 0 it needs crops of 72 pixels."""

    @model_validator(mode="after")
    def _one_teacher(self) -> Self:
        if self.teacher is not None and self.own_teacher is not None:
            raise ValueError("teacher and own_teacher both set the target; give one of them")
        return self
