"""Degradation of clean photos by the chain that the settings name.

All randomness comes from one `torch.Generator`: the same generator state, settings and pictures give the same result.
With a generator on the CPU the draws are the same whatever device the pictures are on.
"""

from dataclasses import dataclass
from typing import assert_never

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from pasd_batch.config.degradation import (
    BicubicSettings,
    DegradationSettings,
    GrayscaleSettings,
    MixtureSettings,
    RealEsrganSettings,
)
from pasd_batch.config.old_photo import OldPhotoSettings
from pasd_batch.degradation.draws import Draws, GeneratorNoise, NoiseSource
from pasd_batch.degradation.filtering import round_to_8_bit
from pasd_batch.degradation.old_photo import apply_old_photo, old_photo_targets, sample_old_photo
from pasd_batch.degradation.real_esrgan import apply_chain, sample_chain
from pasd_batch.pasd.colorization import to_gray

SMALLEST_SIDE = 8
"""Pictures with a shorter side (pixels) are refused: shrunk by 4, nothing of them would be left."""


@dataclass(frozen=True, eq=False)
class DegradedBatch:
    """Degraded pictures and the targets of restoration; float32 (batch, 3, height, width), sRGB in [0, 1].

    The targets are the clean pictures, in grey for old photos in black and white.
    """

    degraded: Float[Tensor, "batch 3 degraded_height degraded_width"]
    targets: Float[Tensor, "batch 3 height width"]


def degrade_batch(
    photos: Float[Tensor, "batch 3 height width"],
    *,
    settings: DegradationSettings,
    generator: torch.Generator,
) -> DegradedBatch:
    """Degrade clean pictures (sRGB in [0, 1], on any device), each with parameters of its own.

    Only the resize factors of the Real-ESRGAN chain and a mixture's choice are common to a batch.

    Raises:
        ValueError: a side is shorter than 8 pixels.
    """
    noise = GeneratorNoise(generator, device=photos.device)
    return degrade_with(photos, settings=settings, draws=Draws(generator), noise=noise)


def degrade_with(
    photos: Float[Tensor, "batch 3 height width"],
    *,
    settings: DegradationSettings,
    draws: Draws,
    noise: NoiseSource,
) -> DegradedBatch:
    """`degrade_batch` with separate sources of parameters and noise, so that noise may be drawn on a GPU."""
    _refuse_tiny(photos)
    match settings:
        case RealEsrganSettings():
            chain = sample_chain(settings, draws, batch=len(photos), device=photos.device)
            return DegradedBatch(apply_chain(photos, chain, noise), photos)
        case BicubicSettings():
            return DegradedBatch(downsample_bicubic(photos, settings), photos)
        case OldPhotoSettings():
            pixels = photos.shape[-2] * photos.shape[-1]
            ages = [sample_old_photo(settings, draws, pixels=pixels) for _ in photos]
            return DegradedBatch(apply_old_photo(photos, ages, noise), old_photo_targets(photos, ages))
        case GrayscaleSettings():
            return DegradedBatch(round_to_8_bit(to_gray(photos)), photos)
        case MixtureSettings():
            weights = {number: share.weight for number, share in enumerate(settings.shares)}
            chosen = settings.shares[draws.choice(weights)].degradation
            return degrade_with(photos, settings=chosen, draws=draws, noise=noise)
        case _:
            assert_never(settings)


def degrade_photo(
    photo: Float[Tensor, "3 height width"], *, seed: int, settings: DegradationSettings
) -> Float[Tensor, "3 degraded_height degraded_width"]:
    """Degrade one photo (sRGB in [0, 1]) reproducibly: the seed fixes every parameter and all noise.

    Raises:
        ValueError: a side is shorter than 8 pixels.
    """
    generator = torch.Generator().manual_seed(seed)
    return degrade_batch(photo[None], settings=settings, generator=generator).degraded[0]


def downsample_bicubic(
    photos: Float[Tensor, "batch 3 height width"], settings: BicubicSettings
) -> Float[Tensor, "batch 3 degraded_height degraded_width"]:
    """Downsample with antialiasing, round to 8 bits, and (with `resize_back`) upsample again; nothing is random."""
    height, width = photos.shape[-2:]
    size = (max(1, height // settings.scale), max(1, width // settings.scale))
    small = functional.interpolate(photos, size=size, mode="bicubic", antialias=True, align_corners=False)
    small = round_to_8_bit(small)
    if not settings.resize_back:
        return small
    large = functional.interpolate(small, size=(height, width), mode="bicubic", align_corners=False)
    return round_to_8_bit(large)


def _refuse_tiny(photos: Float[Tensor, "batch 3 height width"]) -> None:
    height, width = photos.shape[-2:]
    if min(height, width) < SMALLEST_SIDE:
        raise ValueError(
            f"a picture of {width}x{height} pixels cannot be degraded; both sides must have at least {SMALLEST_SIDE}"
        )
