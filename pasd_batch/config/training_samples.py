"""Settings of how training samples are cut from photos; defaults are those of the released PASD."""

from typing import Self

from pydantic import Field, model_validator

from pasd_batch.config.base import Settings
from pasd_batch.config.degradation import BicubicSettings, DegradationSettings, MixtureSettings, RealEsrganSettings
from pasd_batch.config.intervals import Probability
from pasd_batch.config.photos import DecodeLimits


class SampleSettings(Settings):
    """From a photo and its caption to a training sample."""

    crop_size: int = Field(default=512, ge=8, multiple_of=8)
    """Side of the square crops, pixels; smaller photos are enlarged to it."""

    smallest_side: int = Field(default=64, ge=8)
    """Photos with a shorter side (pixels) are skipped: enlarged, they would teach the model to blur."""

    flip_probability: Probability = 0.5
    """Probability of mirroring left and right."""

    caption_drop_probability: Probability = 0.5
    """Probability that the caption is replaced by the empty one, which classifier-free guidance needs."""

    degradation: DegradationSettings = RealEsrganSettings()
    """Degradation that makes the model's input from the crop."""

    limits: DecodeLimits = DecodeLimits()
    """Limits of a photo; larger ones are skipped."""

    @model_validator(mode="after")
    def _input_as_large_as_target(self) -> Self:
        require_equal_sizes(self.degradation, "degradation")
        return self


def require_equal_sizes(chosen: DegradationSettings, name: str) -> None:
    """Refuse chains whose result is smaller than the clean photo.

    Raises:
        ValueError: naming the setting, `name` + `.resize_back`.
    """
    chains = [share.degradation for share in chosen.shares] if isinstance(chosen, MixtureSettings) else [chosen]
    if any(isinstance(chain, RealEsrganSettings | BicubicSettings) and not chain.resize_back for chain in chains):
        raise ValueError(f"{name}.resize_back is off, but training needs input and target of one size")
