"""Settings that adapt, settled for a photo whose estimates nobody has made yet."""

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
    """Settings for a photo, sRGB, and its severity, by estimates of its pixels; None where nothing adapts."""
    if not sampling.adapt:
        return sampling, None
    return adapted(sampling, estimate_degradation(photo.permute(1, 2, 0).numpy()))


def with_severity(outcome: Restoration | PhotoFailure, severity: float | None) -> Restoration | PhotoFailure:
    """The outcome of a photo with the severity that its settings were chosen by."""
    if severity is None or isinstance(outcome, PhotoFailure):
        return outcome
    return replace(outcome, report=replace(outcome.report, severity=severity))
