"""Fading of old prints: lifted blacks, yellowed whites, sepia, lost dyes, uneven and vignetted brightness."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.old_photo import ToneSettings
from pasd_batch.degradation.columns import channel_columns, column, constant, flags
from pasd_batch.degradation.draws import Draws, NoiseSource
from pasd_batch.degradation.random_fields import slow_fields

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


def sample_fading(settings: ToneSettings, draws: Draws) -> FadingParameters:
    """Draw the tone of one print."""
    toned = draws.flag(settings.sepia_probability)
    sepia = draws.uniform(settings.sepia)
    worst = draws.uniform(settings.dye_loss)
    cast = draws.uniform(settings.cast)
    shares = (settings.cyan_share, settings.magenta_share, settings.yellow_share)
    red, green, blue = (worst * draws.uniform(share) for share in shares)
    return FadingParameters(
        monochrome=draws.flag(settings.monochrome_probability),
        sepia=sepia if toned else 0.0,
        dye_losses=(red, green, blue),
        casts=(draws.uniform((-cast, cast)), draws.uniform((-cast, cast)), draws.uniform((-cast, cast))),
        black=draws.uniform(settings.black_lift),
        white=1.0 - draws.uniform(settings.white_drop),
        exponent=math.exp(draws.uniform(settings.gamma)),
        unevenness=draws.uniform(settings.unevenness),
        vignette=draws.uniform(settings.vignette),
        vignette_center=(draws.uniform(settings.vignette_center), draws.uniform(settings.vignette_center)),
    )


def fade(
    photos: Float[Tensor, "batch 3 height width"], parameters: Sequence[FadingParameters], noise: NoiseSource
) -> Float[Tensor, "batch 3 height width"]:
    """Give photos (already grey where monochrome) the tone of old prints; in and out within [0, 1]."""
    black, white, exponent = (
        column([getattr(each, name) for each in parameters], photos) for name in ("black", "white", "exponent")
    )
    faded = black + (white - black) * photos.clamp(0.0, 1.0).pow(exponent)
    faded = faded * _illumination(photos, parameters, noise)
    monochrome = flags([each.monochrome for each in parameters], photos)
    return torch.where(monochrome, _tone_sepia(faded, parameters), _lose_dyes(faded, parameters)).clamp(0.0, 1.0)


def _tone_sepia(gray: Tensor, parameters: Sequence[FadingParameters]) -> Float[Tensor, "batch 3 height width"]:
    amounts = column([each.sepia for each in parameters], gray)
    exponents, paper = (
        constant(values, gray.dtype, gray.device).view(1, 3, 1, 1).pow(amounts)
        for values in (_SEPIA_EXPONENTS, _SEPIA_PAPER)
    )
    return gray.clamp(min=0.0).pow(exponents) * paper


def _lose_dyes(photos: Tensor, parameters: Sequence[FadingParameters]) -> Float[Tensor, "batch 3 height width"]:
    """Scale the density (minus the logarithm of brightness) of each channel, then shift it."""
    kept = 1.0 - channel_columns([each.dye_losses for each in parameters], photos)
    return photos.clamp(min=_DARKEST).pow(kept) + channel_columns([each.casts for each in parameters], photos)


def _illumination(
    photos: Tensor, parameters: Sequence[FadingParameters], noise: NoiseSource
) -> Float[Tensor, "batch 1 height width"]:
    height, width = photos.shape[-2:]
    cells = [max(height, width) / _SLOW_CELLS] * len(photos)
    slow = slow_fields(noise, height=height, width=width, cells=cells)
    centers = channel_columns([each.vignette_center for each in parameters], photos)
    x = torch.linspace(0.0, 1.0, width, device=photos.device)[None, :] - centers[:, :1]
    y = torch.linspace(0.0, 1.0, height, device=photos.device)[:, None] - centers[:, 1:]
    distance = (x.square() + y.square()) / 0.5
    vignette = (1.0 - column([each.vignette for each in parameters], photos) * distance).clamp(min=0.0)
    return (1.0 + column([each.unevenness for each in parameters], photos) * slow.tanh()) * vignette
