"""Adaptation of sampling settings to a photo by estimates of its degradation."""

from dataclasses import replace

from jaxtyping import Shaped
from torch import Tensor

from pasd_batch.config.photo_settings import adapted
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.pasd.restoration import Restoration
from pasd_batch.photos.estimates.degradation import estimate_degradation
from pasd_batch.records import PhotoFailure


def adapt_settings(
    photo: Shaped[Tensor, "3 height width"], sampling: SamplingSettings
) -> tuple[SamplingSettings, float | None]:
    """Adapted settings for a photo (sRGB), and its severity; None if the settings do not adapt."""
    if not sampling.adapt:
        return sampling, None
    return adapted(sampling, estimate_degradation(photo.permute(1, 2, 0).numpy()))


def with_severity(outcome: Restoration | PhotoFailure, severity: float | None) -> Restoration | PhotoFailure:
    """Add the severity that the settings were adapted to to the report."""
    if severity is None or isinstance(outcome, PhotoFailure):
        return outcome
    return replace(outcome, report=replace(outcome.report, severity=severity))
