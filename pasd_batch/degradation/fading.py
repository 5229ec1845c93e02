"""Fading of old prints: lifted blacks, yellowed whites, sepia, lost dyes, uneven and vignetted brightness."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.old_photo import ToneSettings
from pasd_batch.degradation.batch_tensors import constant, per_channel, per_photo, photo_mask
from pasd_batch.degradation.draws import Draws, NoiseSource
from pasd_batch.degradation.procedural_noise import value_noise
from pasd_batch.degradation.strength import contract

_SEPIA_PROBABILITY = 0.7
"""Probability that a black-and-white print is toned."""

_SEPIA = (0.25, 1.0)
"""Strength of a toned print's brown."""

_DYE_SHARES = ((0.6, 1.0), (0.0, 0.4), (0.0, 1.0))
"""Shares of the greatest loss that the dyes have: cyan (seen in red), which fades first, magenta (in green), which
lasts longest, and yellow (in blue)."""

_BLACK_LIFT = (0.03, 0.28)
"""Brightness of what was black."""

_WHITE_DROP = (0.0, 0.22)
"""Darkening of white paper."""

_GAMMA = (-0.35, 0.35)
"""Natural logarithm of the exponent on brightness; negative brightens the middle."""

_UNEVENNESS = (0.0, 0.12)
"""Amplitude of slow changes of brightness across the print."""

_VIGNETTE = (0.0, 0.4)
"""Darkening of the corners."""

_VIGNETTE_CENTER = (0.35, 0.65)
"""Brightest point of the vignette, as a share of each side."""

_SEPIA_EXPONENTS = (0.82, 1.0, 1.3)
_SEPIA_PAPER = (1.0, 0.94, 0.8)
_DARKEST = 1.0 / 255.0
_SLOW_CELLS = 3


@dataclass(frozen=True)
class FadingParameters:
    """Tone and colour of one old print; amounts are fractions of full brightness.

    `sepia` acts on monochrome photos, `dye_losses` and `casts` (red, green, blue) on colour photos.
    `vignette_center` is relative to the picture, (x, y) in [0, 1].
    """

    monochrome: bool
    sepia: float
    dye_losses: tuple[float, float, float]
    casts: tuple[float, float, float]
    black: float
    white: float
    exponent: float
    unevenness: float
    vignette: float
    vignette_center: tuple[float, float]


def sample_fading(settings: ToneSettings, draws: Draws, *, strength: float = 1.0) -> FadingParameters:
    """Draw the tone of one print; below strength 1 all amounts are smaller."""

    def amount(interval: tuple[float, float]) -> float:
        return draws.uniform(contract(interval, strength=strength))

    toned = draws.bernoulli(_SEPIA_PROBABILITY)
    sepia, worst, cast = amount(_SEPIA), amount(settings.dye_loss), amount(settings.cast)
    red, green, blue = (worst * draws.uniform(share) for share in _DYE_SHARES)
    return FadingParameters(
        monochrome=draws.bernoulli(settings.monochrome_probability),
        sepia=sepia if toned else 0.0,
        dye_losses=(red, green, blue),
        casts=(draws.uniform((-cast, cast)), draws.uniform((-cast, cast)), draws.uniform((-cast, cast))),
        black=amount(_BLACK_LIFT),
        white=1.0 - amount(_WHITE_DROP),
        exponent=math.exp(amount(_GAMMA)),
        unevenness=amount(_UNEVENNESS),
        vignette=amount(_VIGNETTE),
        vignette_center=(draws.uniform(_VIGNETTE_CENTER), draws.uniform(_VIGNETTE_CENTER)),
    )


def fade(
    photos: Float[Tensor, "batch 3 height width"], parameters: Sequence[FadingParameters], noise: NoiseSource
) -> Float[Tensor, "batch 3 height width"]:
    """Give photos (already grey where monochrome) the tone of old prints; in and out within [0, 1]."""
    black, white, exponent = (
        per_photo([getattr(each, name) for each in parameters], photos) for name in ("black", "white", "exponent")
    )
    faded = black + (white - black) * photos.clamp(0.0, 1.0).pow(exponent)
    faded = faded * _illumination(photos, parameters, noise)
    monochrome = photo_mask([each.monochrome for each in parameters], photos)
    return torch.where(monochrome, _tone_sepia(faded, parameters), _lose_dyes(faded, parameters)).clamp(0.0, 1.0)


def _tone_sepia(gray: Tensor, parameters: Sequence[FadingParameters]) -> Float[Tensor, "batch 3 height width"]:
    amounts = per_photo([each.sepia for each in parameters], gray)
    exponents, paper = (
        constant(values, gray.dtype, gray.device).view(1, 3, 1, 1).pow(amounts)
        for values in (_SEPIA_EXPONENTS, _SEPIA_PAPER)
    )
    return gray.clamp(min=0.0).pow(exponents) * paper


def _lose_dyes(photos: Tensor, parameters: Sequence[FadingParameters]) -> Float[Tensor, "batch 3 height width"]:
    """Scale the density (minus the logarithm of brightness) of each channel, then shift it."""
    kept = 1.0 - per_channel([each.dye_losses for each in parameters], photos)
    return photos.clamp(min=_DARKEST).pow(kept) + per_channel([each.casts for each in parameters], photos)


def _illumination(
    photos: Tensor, parameters: Sequence[FadingParameters], noise: NoiseSource
) -> Float[Tensor, "batch 1 height width"]:
    height, width = photos.shape[-2:]
    cells = [max(height, width) / _SLOW_CELLS] * len(photos)
    slow = value_noise(noise, height=height, width=width, cells=cells)
    centers = per_channel([each.vignette_center for each in parameters], photos)
    x = torch.linspace(0.0, 1.0, width, device=photos.device)[None, :] - centers[:, :1]
    y = torch.linspace(0.0, 1.0, height, device=photos.device)[:, None] - centers[:, 1:]
    distance = (x.square() + y.square()) / 0.5
    vignette = (1.0 - per_photo([each.vignette for each in parameters], photos) * distance).clamp(min=0.0)
    return (1.0 + per_photo([each.unevenness for each in parameters], photos) * slow.tanh()) * vignette
