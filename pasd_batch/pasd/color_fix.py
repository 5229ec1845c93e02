"""Colour correction: bring a restored photo's colours back to those of the low-resolution input.

All take the restored photo and the input at the same size, in [0, 1], and return values that are not
clamped.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, pad

from pasd_batch.config.restoration import ColorFix
from pasd_batch.pasd.colorization import with_luma

WAVELET_LEVELS = 5
_STD_EPSILON = 1e-5

Image = Float[Tensor, "batch channels height width"]


def fix_color(restored: Image, source: Image, kind: ColorFix) -> Image:
    """Apply the chosen correction; `none` returns the restored photo as it is.

    The palette of a colour reference, which is no matter of the input, comes later: `color_reference.with_palette`.
    """
    match kind:
        case ColorFix.WAVELET | ColorFix.REFERENCE:
            return wavelet_color_fix(restored, source)
        case ColorFix.ADAIN:
            return adain_color_fix(restored, source)
        case ColorFix.LUMA:
            return with_luma(restored, source)
        case ColorFix.NONE:
            return restored


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


def adain_color_fix(restored: Image, source: Image) -> Image:
    """Give every channel the mean and standard deviation it has in the input (AdaIN, arXiv 1703.06868)."""
    mean, std = _channel_statistics(restored)
    source_mean, source_std = _channel_statistics(source)
    return (restored - mean) / std * source_std + source_mean


def _channel_statistics(image: Image) -> tuple[Tensor, Tensor]:
    # A photo of one pixel has no unbiased variance.
    correction = min(1, image.shape[2] * image.shape[3] - 1)
    variance = image.var(dim=(2, 3), keepdim=True, correction=correction)
    return image.mean(dim=(2, 3), keepdim=True), (variance + _STD_EPSILON).sqrt()
