"""Filtering and resizing of picture batches, as the Real-ESRGAN degradation does them.

Pictures are float32 (batch, 3, height, width), sRGB, nominally in [0, 1]; nothing here clamps.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from pasd_batch.config.degradation import ResizeMode
from pasd_batch.degradation.blur_kernels import BivariateKernel, kernel_weights


def blur(
    photos: Float[Tensor, "batch channels height width"], kernels: Float[Tensor, "batch size size"]
) -> Float[Tensor, "batch channels height width"]:
    """Cross-correlate every picture with its own kernel, the same for all channels, with reflected borders.

    Kernels may be larger than the picture, which is then reflected repeatedly. Computed by FFT: several times faster
    than a convolution with kernels of this size, with a smaller float32 error.
    """
    height, width = photos.shape[-2:]
    kernels = kernels.to(photos)
    if kernels.shape[-1] == 1:
        return photos * kernels.unsqueeze(1)
    padded = reflect_pad(photos, kernels.shape[-1] // 2)
    size = (_next_fast_length(padded.shape[-2]), _next_fast_length(padded.shape[-1]))
    spectrum = torch.fft.rfft2(padded, s=size) * torch.fft.rfft2(kernels, s=size).conj().unsqueeze(1)
    return torch.fft.irfft2(spectrum, s=size)[..., :height, :width]


def gaussian_blur(
    photos: Float[Tensor, "batch channels height width"], sigmas: Sequence[float]
) -> Float[Tensor, "batch channels height width"]:
    """Blur each picture with an isotropic Gaussian of its standard deviation, pixels."""
    kernels = [BivariateKernel(2 * max(1, math.ceil(3.5 * sigma)) + 1, sigma, sigma) for sigma in sigmas]
    return blur(photos, kernel_weights(kernels, device=photos.device))


def resize_by(
    photos: Float[Tensor, "batch channels height width"], *, factor: float, mode: ResizeMode
) -> Float[Tensor, "batch channels new_height new_width"]:
    """Resize to floor(side x factor); the factor itself, not the rounded sizes, places the samples.

    Raises:
        ValueError: a side would become 0.
    """
    height, width = photos.shape[-2:]
    if int(min(height, width) * factor) < 1:
        raise ValueError(f"{width}x{height} pixels cannot be resized by {factor:.3f}; use larger pictures")
    align = None if mode is ResizeMode.AREA else False
    return functional.interpolate(photos, scale_factor=factor, mode=mode.value, align_corners=align)


def resize_to(
    photos: Float[Tensor, "batch channels height width"], *, height: int, width: int, mode: ResizeMode
) -> Float[Tensor, "batch channels new_height new_width"]:
    """Resize to this size without antialiasing."""
    align = None if mode is ResizeMode.AREA else False
    return functional.interpolate(photos, size=(height, width), mode=mode.value, align_corners=align)


def reflect_pad(
    photos: Float[Tensor, "batch channels height width"], margin: int
) -> Float[Tensor, "batch channels padded_height padded_width"]:
    """Reflection padding by `margin` pixels, without repeating the border pixel; of small pictures repeatedly."""
    height, width = photos.shape[-2:]
    if margin < min(height, width):
        return functional.pad(photos, [margin] * 4, mode="reflect")
    rows, columns = (_reflected_indices(side, margin, photos.device) for side in (height, width))
    return photos[..., rows, :][..., columns]


def round_to_8_bit(photos: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Clamp to [0, 1] and round to multiples of 1 / 255, halves to even."""
    return (photos * 255.0).round().clamp(0.0, 255.0) / 255.0


def _reflected_indices(side: int, margin: int, device: torch.device) -> Int64[Tensor, " padded"]:
    positions = torch.arange(-margin, side + margin, device=device).abs()
    period = max(2 * (side - 1), 1)
    positions = positions % period
    return torch.minimum(positions, (period - positions).abs()) if side > 1 else torch.zeros_like(positions)


def _next_fast_length(length: int) -> int:
    """The next 5-smooth length, for which FFTs are fast (as `scipy.fft.next_fast_len`)."""
    while not _is_smooth(length):
        length += 1
    return length


def _is_smooth(number: int) -> bool:
    for factor in (2, 3, 5):
        while number % factor == 0:
            number //= factor
    return number == 1
