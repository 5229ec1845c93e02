"""Settings of the old-photo chain: what time, paper, printing and a scanner do to a photograph.

How often each effect is there and how strong it is; its shapes, colours and directions are constants of its module in
`degradation/`. Amounts are fractions of the full range of brightness.
"""

from typing import Literal

from pasd_batch.config.base import Settings
from pasd_batch.config.intervals import (
    FractionInterval,
    NonNegativeInterval,
    Probability,
    QualityInterval,
    Strength,
)


class ToneSettings(Settings):
    """Change of colour; contrast, brown and unevenness are constants of `degradation/fading.py`."""

    monochrome_probability: Probability = 0.6
    """Probability that the photo was taken in black and white."""

    dye_loss: FractionInterval = (0.05, 0.45)
    """Greatest density that the dyes of a colour print have lost; each loses a share of it."""

    cast: FractionInterval = (0.0, 0.08)
    """Largest shift of a colour print's channel."""


class GrainSettings(Settings):
    """Film grain: correlated noise, strongest in the midtones."""

    probability: Probability = 0.85
    """Probability of visible grain."""

    amount: FractionInterval = (0.015, 0.08)
    """Standard deviation in the midtones."""


class ScratchSettings(Settings):
    """Long thin scratches and creases."""

    probability: Probability = 0.65
    """Probability of scratches."""

    count: NonNegativeInterval = (1.0, 10.0)
    """Number; few are commoner."""


class DustSettings(Settings):
    """Specks and hairs."""

    probability: Probability = 0.75
    """Probability of dust."""

    density: NonNegativeInterval = (15.0, 180.0)
    """Specks a million pixels."""

    hair_share: FractionInterval = (0.0, 0.12)
    """Share of specks that are curled hairs instead."""


class BlotchSettings(Settings):
    """Stains of damp and chemicals, with a darker tide line."""

    probability: Probability = 0.45
    """Probability of blotches."""

    coverage: FractionInterval = (0.04, 0.3)
    """Share of the picture that is stained."""

    opacity: FractionInterval = (0.08, 0.4)
    """Light that a stain takes (or, where it has bleached the print, adds)."""

    bleach_probability: Probability = 0.3
    """Probability that the stains are lighter than the print."""


class HalftoneSettings(Settings):
    """The dot screen of a newspaper or a book."""

    probability: Probability = 0.15
    """Probability that the photo is a printed one."""

    amount: FractionInterval = (0.25, 0.75)
    """Share of the dots in the picture; 1: nothing but dots."""


class CaptureSettings(Settings):
    """The scanner."""

    jpeg_quality: QualityInterval = (55.0, 95.0)
    """JPEG quality of the scan."""


class OldPhotoSettings(Settings):
    """An old photograph, scanned: fading, casts, grain, scratches, dust, blotches, halftone."""

    chain: Literal["old_photo"] = "old_photo"
    """Names this chain."""

    strength: Strength = 1.0
    """Below 1, amounts are contracted towards none (see `degradation/strength.py`); probabilities stay."""

    capture: CaptureSettings = CaptureSettings()
    """The scanner."""

    tone: ToneSettings = ToneSettings()
    """Colour."""

    grain: GrainSettings = GrainSettings()
    """Film grain."""

    halftone: HalftoneSettings = HalftoneSettings()
    """Printed dots."""

    blotches: BlotchSettings = BlotchSettings()
    """Stains."""

    scratches: ScratchSettings = ScratchSettings()
    """Scratches and creases."""

    dust: DustSettings = DustSettings()
    """Specks and hairs."""
