"""Degradation to an old photograph: lens, film, print, decades of storage, and a scan.

Made after scans of real archive prints; the order is the physical one. Each effect's module has its shapes, colours and
directions as constants; lengths are pixels of a photo whose long side is about 500 to 1000 pixels, the size archives
scan small prints at.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.old_photo import OldPhotoSettings
from pasd_batch.degradation.batch_tensors import photo_mask, to_device
from pasd_batch.degradation.blotches import BlotchParameters, add_blotches, sample_blotches
from pasd_batch.degradation.draws import Draws, NoiseSource
from pasd_batch.degradation.dust import DustParameters, add_dust, sample_dust
from pasd_batch.degradation.fading import FadingParameters, fade, sample_fading
from pasd_batch.degradation.film_grain import GrainParameters, add_grain, sample_grain
from pasd_batch.degradation.filtering import gaussian_blur, round_to_8_bit
from pasd_batch.degradation.halftone import HalftoneParameters, print_halftone, sample_halftone
from pasd_batch.degradation.jpeg import compress_jpeg
from pasd_batch.degradation.scratches import Scratch, add_scratches, sample_scratches
from pasd_batch.degradation.strength import BEST_JPEG_QUALITY, contract
from pasd_batch.pasd.colorization import to_gray

_LENS_SIGMA = (0.2, 1.8)
"""Softness of the original photo (Gaussian standard deviation), pixels."""

_SCAN_SIGMA = (0.2, 0.7)
"""Softness of the scan, pixels."""


@dataclass(frozen=True)
class OldPhotoParameters:
    """All random parameters of one photo except its noise; lengths in pixels."""

    lens_sigma: float
    grain: GrainParameters
    halftone: HalftoneParameters
    fading: FadingParameters
    blotches: BlotchParameters
    scratches: tuple[Scratch, ...]
    dust: DustParameters
    scan_sigma: float
    jpeg_quality: float


def sample_old_photo(settings: OldPhotoSettings, draws: Draws, *, pixels: int) -> OldPhotoParameters:
    """Draw the parameters for one photo of `pixels` pixels."""
    strength = settings.strength
    jpeg_quality = contract(settings.capture.jpeg_quality, strength=strength, neutral=BEST_JPEG_QUALITY)
    return OldPhotoParameters(
        lens_sigma=draws.uniform(contract(_LENS_SIGMA, strength=strength)),
        grain=sample_grain(settings.grain, draws, strength=strength),
        halftone=sample_halftone(settings.halftone, draws, strength=strength),
        fading=sample_fading(settings.tone, draws, strength=strength),
        blotches=sample_blotches(settings.blotches, draws, strength=strength),
        scratches=sample_scratches(settings.scratches, draws, strength=strength),
        dust=sample_dust(settings.dust, draws, pixels=pixels, strength=strength),
        scan_sigma=draws.uniform(contract(_SCAN_SIGMA, strength=strength)),
        jpeg_quality=draws.uniform(jpeg_quality),
    )


def apply_old_photo(
    photos: Float[Tensor, "batch 3 height width"],
    parameters: Sequence[OldPhotoParameters],
    noise: NoiseSource,
) -> Float[Tensor, "batch 3 height width"]:
    """Age sRGB pictures in [0, 1], each with its own parameters; the result is on the 8-bit grid."""
    monochrome = [each.fading.monochrome for each in parameters]
    aged = gaussian_blur(photos, [each.lens_sigma for each in parameters]).clamp(0.0, 1.0)
    aged = _gray_where(monochrome, aged)
    aged = add_grain(aged, [each.grain for each in parameters], noise)
    aged = print_halftone(aged, [each.halftone for each in parameters], monochrome=monochrome)
    aged = fade(aged, [each.fading for each in parameters], noise)
    aged = add_blotches(aged, [each.blotches for each in parameters], noise)
    aged = add_scratches(aged, [each.scratches for each in parameters])
    aged = add_dust(aged, [each.dust for each in parameters])
    aged = gaussian_blur(aged, [each.scan_sigma for each in parameters])
    qualities = to_device(torch.tensor([each.jpeg_quality for each in parameters]), photos.device)
    return round_to_8_bit(compress_jpeg(aged, qualities))


def old_photo_targets(
    photos: Float[Tensor, "batch 3 height width"], parameters: Sequence[OldPhotoParameters]
) -> Float[Tensor, "batch 3 height width"]:
    """Targets of restoring: the clean pictures, in grey where the old photo is black and white."""
    return _gray_where([each.fading.monochrome for each in parameters], photos)


def _gray_where(monochrome: Sequence[bool], photos: Tensor) -> Float[Tensor, "batch 3 height width"]:
    return torch.where(photo_mask(monochrome, photos), to_gray(photos), photos) if any(monochrome) else photos
