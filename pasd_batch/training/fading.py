"""Fading of old prints: lifted blacks, yellowed whites, sepia, lost dyes, uneven and vignetted brightness."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.old_photo import ToneSettings
from pasd_batch.training.draws import Draws, NoiseSource
from pasd_batch.training.random_fields import slow_field

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
    photo: Float[Tensor, "3 height width"], parameters: FadingParameters, noise: NoiseSource
) -> Float[Tensor, "3 height width"]:
    """Give a photo (already grey, if monochrome) the tone of an old print; in and out within [0, 1]."""
    faded = photo.clamp(0.0, 1.0).pow(parameters.exponent)
    faded = parameters.black + (parameters.white - parameters.black) * faded
    faded = faded * _illumination(photo, parameters, noise)
    if parameters.monochrome:
        return _tone_sepia(faded, parameters.sepia).clamp(0.0, 1.0)
    return _lose_dyes(faded, parameters).clamp(0.0, 1.0)


def _tone_sepia(gray: Float[Tensor, "3 height width"], amount: float) -> Float[Tensor, "3 height width"]:
    exponents = gray.new_tensor(_SEPIA_EXPONENTS).pow(amount).view(3, 1, 1)
    paper = gray.new_tensor(_SEPIA_PAPER).pow(amount).view(3, 1, 1)
    return gray.clamp(min=0.0).pow(exponents) * paper


def _lose_dyes(photo: Float[Tensor, "3 height width"], parameters: FadingParameters) -> Float[Tensor, "3 height width"]:
    """Scale the density (minus the logarithm of brightness) of each channel, then shift it."""
    kept = 1.0 - photo.new_tensor(parameters.dye_losses).view(3, 1, 1)
    return photo.clamp(min=_DARKEST).pow(kept) + photo.new_tensor(parameters.casts).view(3, 1, 1)


def _illumination(
    photo: Float[Tensor, "3 height width"], parameters: FadingParameters, noise: NoiseSource
) -> Float[Tensor, "height width"]:
    height, width = photo.shape[-2:]
    slow = slow_field(noise, height=height, width=width, cell=max(height, width) / _SLOW_CELLS)
    center_x, center_y = parameters.vignette_center
    x = torch.linspace(0.0, 1.0, width, device=photo.device) - center_x
    y = torch.linspace(0.0, 1.0, height, device=photo.device) - center_y
    distance = (x[None, :].square() + y[:, None].square()) / 0.5
    vignette = (1.0 - parameters.vignette * distance).clamp(min=0.0)
    return (1.0 + parameters.unevenness * slow.tanh()) * vignette
