"""Colour fix: colours of the low-resolution input transferred to the restored photo.

All take the restored photo and the input at the same size, in [0, 1], and return values that are not
clamped.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

from pasd_batch.config.sampling import ColorFix
from pasd_batch.pasd.colorization import with_luma

WAVELET_LEVELS = 5
_STD_EPSILON = 1e-5

Image = Float[Tensor, "batch channels height width"]


@dataclass(frozen=True)
class ChannelStatistics:
    """Mean and standard deviation of each channel of a whole photo."""

    mean: Float[Tensor, "batch channels 1 1"]
    std: Float[Tensor, "batch channels 1 1"]

    @classmethod
    def of(cls, image: Image) -> "ChannelStatistics":
        """Those of a photo that is there as a whole."""
        # A photo of one pixel has no unbiased variance.
        correction = min(1, image.shape[2] * image.shape[3] - 1)
        variance = image.var(dim=(2, 3), keepdim=True, correction=correction)
        return cls.from_variance(image.mean(dim=(2, 3), keepdim=True), variance)

    @classmethod
    def from_variance(cls, mean: Tensor, variance: Tensor) -> "ChannelStatistics":
        """Those of a mean and a variance."""
        return cls(mean, (variance + _STD_EPSILON).sqrt())


Statistics = tuple[ChannelStatistics, ChannelStatistics]
"""Those of the restored photo and of the input."""


def fix_color(restored: Image, source: Image, kind: ColorFix, statistics: Statistics | None = None) -> Image:
    """Apply the chosen correction; `none` returns the restored photo as it is.

    A colour reference's palette is applied later, by `color_reference.with_palette`.

    Args:
        restored, source: whole photos, or tiles with a halo of `filter_radius(kind)` pixels.
        kind: the correction.
        statistics: of the whole photos, for AdaIN of tiles.
    """
    match kind:
        case ColorFix.WAVELET | ColorFix.REFERENCE:
            return wavelet_color_fix(restored, source)
        case ColorFix.ADAIN:
            return adain_color_fix(restored, source, statistics)
        case ColorFix.LUMA:
            return with_luma(restored, source)
        case ColorFix.NONE:
            return restored


def filter_radius(kind: ColorFix) -> int:
    """Radius of a correction, pixels."""
    return 2**WAVELET_LEVELS - 1 if kind in (ColorFix.WAVELET, ColorFix.REFERENCE) else 0


def wavelet_color_fix(restored: Image, source: Image) -> Image:
    """Detail of the restored photo over the low frequencies of the input."""
    detail, _ = wavelet_split(restored)
    _, low = wavelet_split(source)
    return detail + low


def wavelet_split(image: Image) -> tuple[Image, Image]:
    """Split a photo into detail and low frequencies with an undecimated wavelet transform (a trous)."""
    low, detail = image, torch.zeros_like(image)
    for level in range(WAVELET_LEVELS):
        blurred = _dilated_blur(low, radius=2**level)
        detail = detail + (low - blurred)
        low = blurred
    return detail, low


def _dilated_blur(image: Image, *, radius: int) -> Image:
    line = torch.tensor([0.25, 0.5, 0.25], dtype=image.dtype, device=image.device)
    kernel = torch.outer(line, line).expand(image.shape[1], 1, 3, 3)
    padded = pad(image, (radius, radius, radius, radius), mode="replicate")
    return conv2d(padded, kernel, groups=image.shape[1], dilation=radius)


def adain_color_fix(restored: Image, source: Image, statistics: Statistics | None = None) -> Image:
    """Give every channel the mean and standard deviation it has in the input (AdaIN, arXiv 1703.06868)."""
    own, wanted = statistics or (ChannelStatistics.of(restored), ChannelStatistics.of(source))
    return (restored - own.mean) / own.std * wanted.std + wanted.mean
