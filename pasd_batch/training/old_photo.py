"""Degradation to an old photograph: lens, film, print, decades of storage, and a scan.

Made after scans of real archive prints; the order is the physical one. See `OldPhotoSettings` for what each part does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.old_photo import OldPhotoSettings
from pasd_batch.pasd.colorization import to_gray
from pasd_batch.training.blotches import BlotchParameters, add_blotches, sample_blotches
from pasd_batch.training.draws import Draws, NoiseSource
from pasd_batch.training.dust import DustParameters, add_dust, sample_dust
from pasd_batch.training.fading import FadingParameters, fade, sample_fading
from pasd_batch.training.film_grain import GrainParameters, add_grain, sample_grain
from pasd_batch.training.filtering import round_to_8_bit, soften
from pasd_batch.training.halftone import HalftoneParameters, print_halftone, sample_halftone
from pasd_batch.training.jpeg import compress_jpeg
from pasd_batch.training.scratches import Scratch, add_scratches, sample_scratches
from pasd_batch.training.strength import contracted_old_photo


@dataclass(frozen=True)
class OldPhotoParameters:
    """Everything the chain draws for one photo but its noise; lengths in pixels."""

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
    """Draw the parameters for one photo of so many pixels."""
    mild = contracted_old_photo(settings)
    return OldPhotoParameters(
        lens_sigma=draws.uniform(mild.capture.lens_sigma),
        grain=sample_grain(mild.grain, draws),
        halftone=sample_halftone(mild.halftone, draws),
        fading=sample_fading(mild.tone, draws),
        blotches=sample_blotches(mild.blotches, draws),
        scratches=sample_scratches(mild.scratches, draws),
        dust=sample_dust(mild.dust, draws, pixels=pixels),
        scan_sigma=draws.uniform(mild.capture.scan_sigma),
        jpeg_quality=draws.uniform(mild.capture.jpeg_quality),
    )


def apply_old_photo(
    photos: Float[Tensor, "batch 3 height width"],
    parameters: Sequence[OldPhotoParameters],
    noise: NoiseSource,
) -> Float[Tensor, "batch 3 height width"]:
    """Age sRGB pictures in [0, 1], each with its own parameters; the result is on the 8-bit grid."""
    aged = [_age(photo, each, noise) for photo, each in zip(photos, parameters, strict=True)]
    qualities = torch.tensor([each.jpeg_quality for each in parameters])
    return round_to_8_bit(compress_jpeg(torch.stack(aged), qualities))


def old_photo_targets(
    photos: Float[Tensor, "batch 3 height width"], parameters: Sequence[OldPhotoParameters]
) -> Float[Tensor, "batch 3 height width"]:
    """What restoring can aim at: the clean pictures, in grey where the old photo is black and white."""
    targets = [
        to_gray(photo) if each.fading.monochrome else photo for photo, each in zip(photos, parameters, strict=True)
    ]
    return torch.stack(targets)


def _age(
    photo: Float[Tensor, "3 height width"], parameters: OldPhotoParameters, noise: NoiseSource
) -> Float[Tensor, "3 height width"]:
    monochrome = parameters.fading.monochrome
    aged = soften(photo[None], parameters.lens_sigma)[0].clamp(0.0, 1.0)
    aged = to_gray(aged) if monochrome else aged
    aged = add_grain(aged, parameters.grain, noise)
    aged = print_halftone(aged, parameters.halftone, monochrome=monochrome)
    aged = fade(aged, parameters.fading, noise)
    aged = add_blotches(aged, parameters.blotches, noise)
    aged = add_scratches(aged, parameters.scratches)
    aged = add_dust(aged, parameters.dust)
    return soften(aged[None], parameters.scan_sigma)[0]
