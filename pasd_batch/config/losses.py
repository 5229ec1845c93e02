"""Settings of the training objective; defaults are those of the released PASD."""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from pasd_batch.config.base import Settings
from pasd_batch.config.intervals import Probability
from pasd_batch.config.picture_losses import PictureLossSettings


class PredictionType(StrEnum):
    """Prediction target of the denoiser."""

    EPSILON = "epsilon"
    V_PREDICTION = "v_prediction"


class LossSettings(Settings):
    """L = L_DF + gamma L_DR, a term for colorization, terms on pictures; a term of weight 0 is not computed at all."""

    prediction_type: PredictionType | None = None
    """The noise, or the velocity sqrt(abar) noise - sqrt(1 - abar) z; zero-terminal-SNR schedules need the latter.
    None: what the start's schedule says, or the noise where it says nothing."""

    denoising: float = Field(default=1.0, ge=0.0)
    """Weight of L_DF, the denoiser's squared error."""

    gamma: float = Field(default=1.0, ge=0.0)
    """Weight of L_DR, the absolute error of the to-RGB outputs against the clean picture."""

    colorfulness: float = Field(default=0.0, ge=0.0)
    """Weight of the colourfulness term; the released colorization uses 0.001."""

    start_share: Probability = 0.0
    """Share of samples seen as sampling starts: at the last timestep, from the degraded photo's latents. For models
    that are sampled in one step; the paper trains on none."""

    picture: PictureLossSettings | None = None
    """Losses on the pictures that sampling gives, end to end through the decoder; none: only the terms above."""

    @model_validator(mode="after")
    def _some_term(self) -> Self:
        if self.denoising == self.gamma == self.colorfulness == 0.0 and self.picture is None:
            raise ValueError(
                "denoising, gamma and colorfulness are all 0, and picture is none; there is nothing to train"
            )
        return self
