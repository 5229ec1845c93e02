"""Settings of audits: the value of each measure from which on it is an issue."""

from typing import Annotated

from pydantic import Field

from pasd_batch.config.base import Settings

Threshold = Annotated[float, Field(ge=0.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class AuditSettings(Settings):
    """Thresholds of issues, each under the issue's name; null: that is none. They may be changed when all is measured.

    Those of CleanVision are its defaults.
    """

    dark: Share | None = 0.32
    """Brightness below which 99 % of a dark photo's pixels are (CleanVision's)."""

    light: Share | None = 0.95
    """Brightness above which 95 % of a light photo's pixels are (CleanVision's)."""

    low_contrast: Share | None = 0.25
    """Range of brightness, without the extreme 1 % at both ends, below which contrast is low."""

    low_information: Threshold | None = 3.0
    """Entropy in bits below which a photo has little in it (CleanVision's)."""

    blurry: Threshold | None = 2.0
    """Blur above it, pixels; photos that were enlarged by 4 read 2.0."""

    noisy: Threshold | None = 10.0
    """Noise above it, 8-bit levels."""

    compressed: Threshold | None = 1.8
    """Steps between JPEG's blocks above it, 8-bit levels; quality 40 reads 1.9."""

    odd_size: Threshold | None = 3.0
    """Interquartile ranges that the side of a square of the same area is off the middle half of all (CleanVision's)."""

    odd_aspect: Share | None = 0.35
    """Shorter side over longer below it (CleanVision's)."""

    borders: Share | None = 0.02
    """Part of the area above it that frames, letterboxes or the bed of a scanner take."""

    printed: Share | None = 0.25
    """Strength of a halftone's screen above it."""

    color_cast: Threshold | None = 9.0
    """Chroma in CIELAB above it that 98 % of a photo's pixels have at least, dark and white ones apart."""

    grayscale: bool = True
    """Photos without colour."""

    odd_profile: bool = True
    """Photos whose ICC profile cannot be used, or whose colours are inks or CIELAB."""

    no_profile: bool = True
    """Photos of which nothing says what their colours are."""

    exact_duplicate: bool = True
    """Photos with the same pixels as another one; the first of them is none."""

    near_duplicate: Annotated[int, Field(ge=0, le=12)] | None = 6
    """Bits of 64 in which perceptual hashes of photos that look alike differ at most; all pairs up to 3 are found, of
    those above the ones that share 16 bits at a multiple of 16. The largest of them is none."""
