"""Settings of the old-photo chain: what time, paper, printing and a scanner do to a photograph.

Lengths are pixels of a photo whose long side is about 500 to 1000 pixels, the size archives scan small prints at.
Amounts are fractions of the full range of brightness.
"""

from typing import Literal

from pasd_batch.config.base import Settings
from pasd_batch.config.intervals import (
    FractionInterval,
    Interval,
    NonNegativeInterval,
    PositiveInterval,
    Probability,
    QualityInterval,
    Strength,
)


class ToneSettings(Settings):
    """Loss of contrast and change of colour."""

    monochrome_probability: Probability = 0.6
    """Probability that the photo was taken in black and white."""

    sepia_probability: Probability = 0.7
    """Probability that a black-and-white print is toned."""

    sepia: FractionInterval = (0.25, 1.0)
    """Strength of a toned print's brown."""

    dye_loss: FractionInterval = (0.05, 0.45)
    """Greatest density that the dyes of a colour print have lost; each loses a share of it."""

    cyan_share: FractionInterval = (0.6, 1.0)
    """Share of `dye_loss` that the cyan dye (seen in red) loses, which fades first."""

    magenta_share: FractionInterval = (0.0, 0.4)
    """Share that the magenta dye (seen in green) loses, which lasts longest."""

    yellow_share: FractionInterval = (0.0, 1.0)
    """Share that the yellow dye (seen in blue) loses."""

    cast: FractionInterval = (0.0, 0.08)
    """Largest shift of a colour print's channel."""

    black_lift: FractionInterval = (0.03, 0.28)
    """Brightness of what was black."""

    white_drop: FractionInterval = (0.0, 0.22)
    """Darkening of white paper."""

    gamma: Interval = (-0.35, 0.35)
    """Natural logarithm of the exponent on brightness; negative brightens the middle."""

    unevenness: FractionInterval = (0.0, 0.12)
    """Amplitude of slow changes of brightness across the print."""

    vignette: FractionInterval = (0.0, 0.4)
    """Darkening of the corners."""

    vignette_center: FractionInterval = (0.35, 0.65)
    """Brightest point of the vignette, as a share of each side."""


class GrainSettings(Settings):
    """Film grain: correlated noise, strongest in the midtones."""

    probability: Probability = 0.85
    """Probability of visible grain."""

    amount: FractionInterval = (0.015, 0.08)
    """Standard deviation in the midtones."""

    size: NonNegativeInterval = (0.4, 1.1)
    """Radius (standard deviation) of a grain, pixels."""


class ScratchSettings(Settings):
    """Long thin scratches and creases."""

    probability: Probability = 0.65
    """Probability of scratches."""

    count: NonNegativeInterval = (1.0, 10.0)
    """Number; few are commoner."""

    width: NonNegativeInterval = (0.2, 1.5)
    """Half width, pixels; thin ones are commoner."""

    length: NonNegativeInterval = (0.03, 1.5)
    """Length, fraction of the photo's diagonal; short ones are commoner."""

    waver: NonNegativeInterval = (0.0, 3.0)
    """Deviation of a scratch from its line, pixels."""

    wavelength: PositiveInterval = (60.0, 400.0)
    """Length over which it returns to its line, pixels."""

    opacity: FractionInterval = (0.25, 0.95)
    """Opacity of a scratch at its centre; faint ones are commoner."""

    dark_probability: Probability = 0.25
    """Probability that a scratch is dark (a fold's shadow) rather than bare paper."""

    dark_brightness: FractionInterval = (0.03, 0.2)
    """Brightness of dark scratches."""

    light_brightness: FractionInterval = (0.8, 1.0)
    """Brightness of bare paper."""

    along_probability: Probability = 0.7
    """Probability that a scratch runs along the film's or the paper's edge, rather than anywhere."""

    upright_probability: Probability = 0.75
    """Probability that this edge is upright."""

    leaning: Interval = (-0.06, 0.06)
    """Angle between the edge and a scratch along it, radians."""


class DustSettings(Settings):
    """Specks and hairs."""

    probability: Probability = 0.75
    """Probability of dust."""

    density: NonNegativeInterval = (15.0, 180.0)
    """Specks a million pixels."""

    radius: NonNegativeInterval = (0.5, 2.4)
    """Radius of a speck, pixels; small ones are commoner."""

    opacity: FractionInterval = (0.4, 1.0)
    """Opacity of a speck."""

    dark_probability: Probability = 0.3
    """Probability that the photo's specks are dark."""

    dark_brightness: FractionInterval = (0.02, 0.2)
    """Brightness of dark specks."""

    light_brightness: FractionInterval = (0.85, 1.0)
    """Brightness of light specks."""

    hair_share: FractionInterval = (0.0, 0.12)
    """Share of specks that are curled hairs instead."""

    hair_length: NonNegativeInterval = (12.0, 70.0)
    """Length of a hair, pixels."""

    hair_width: NonNegativeInterval = (0.2, 0.6)
    """Half width of a hair, pixels."""

    hair_curl: Interval = (-3.0, 3.0)
    """Turn of a hair from end to end, and the difference of its curvature between the ends, radians."""


class BlotchSettings(Settings):
    """Stains of damp and chemicals, with a darker tide line."""

    probability: Probability = 0.45
    """Probability of blotches."""

    size: FractionInterval = (0.08, 0.35)
    """Size of a blotch, fraction of the short side."""

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

    period: PositiveInterval = (2.6, 5.0)
    """Distance of the dots, pixels."""

    amount: FractionInterval = (0.25, 0.75)
    """Share of the dots in the picture; 1: nothing but dots."""

    rotation: Interval = (-0.05, 0.05)
    """Rotation of the whole screen, radians."""


class CaptureSettings(Settings):
    """The lens at one end and the scanner at the other."""

    lens_sigma: NonNegativeInterval = (0.2, 1.8)
    """Softness of the original photo (Gaussian standard deviation), pixels."""

    scan_sigma: NonNegativeInterval = (0.2, 0.7)
    """Softness of the scan, pixels."""

    jpeg_quality: QualityInterval = (55.0, 95.0)
    """JPEG quality of the scan."""


class OldPhotoSettings(Settings):
    """An old photograph, scanned: fading, casts, grain, scratches, dust, blotches, halftone."""

    chain: Literal["old_photo"] = "old_photo"
    """Names this chain."""

    strength: Strength = 1.0
    """Below 1, amounts are contracted towards none (see `degradation/strength.py`); probabilities stay."""

    capture: CaptureSettings = CaptureSettings()
    """Lens and scanner."""

    tone: ToneSettings = ToneSettings()
    """Contrast and colour."""

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
