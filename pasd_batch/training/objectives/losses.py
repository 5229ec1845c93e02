"""The training objective L = L_DF + gamma L_DR (arXiv 2308.14469, section 3.5), and colorization's colourfulness term.

All functions are pure. Pictures are in [-1, 1]; `rgbs` are the to-RGB outputs of the degradation removal module, finest
first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from pasd_batch.config.losses import LossSettings

Scalar = Float[Tensor, ""]
Picture = Float[Tensor, "batch 3 _height _width"]

_SMALLEST_VARIANCE = 1e-12


@dataclass(frozen=True, eq=False)
class Denoised:
    """A denoiser's prediction and its target."""

    prediction: Float[Tensor, "batch channels height width"]
    target: Float[Tensor, "batch channels height width"]


@dataclass(frozen=True, eq=False)
class PasdLoss:
    """The objective and its unweighted terms; disabled terms are None or empty."""

    total: Scalar
    denoising: Scalar | None
    degradation_removal: tuple[Scalar, ...]
    colorfulness: tuple[Scalar, ...]


def pasd_loss(
    denoised: Denoised | None,
    rgbs: Sequence[Picture],
    clean: Picture,
    settings: LossSettings,
) -> PasdLoss:
    """L_DF + gamma L_DR + colourfulness, each term only where its weight is not 0.

    Args:
        denoised: the denoiser's prediction and its target (`prediction_target`); needed if L_DF has a weight.
        rgbs: to-RGB outputs; none where there is no degradation removal.
        clean: the clean picture.
        settings: weights of the terms.

    Raises:
        ValueError: L_DF counts, but there is nothing to compute it from.
    """
    denoising = None
    if settings.denoising:
        if denoised is None:
            raise ValueError(f"L_DF has the weight {settings.denoising}, but there is no prediction")
        denoising = denoising_loss(denoised.prediction, denoised.target)
    removal = degradation_removal_losses(rgbs, clean) if settings.gamma else ()
    color = colorfulness_losses(rgbs) if settings.colorfulness else ()
    total = clean.new_zeros((), dtype=torch.float32)
    if denoising is not None:
        total = total + settings.denoising * denoising
    if removal:
        total = total + settings.gamma * torch.stack(removal).sum()
    if color:
        # The released code adds the whole sum once per to-RGB output; its weight was chosen for that.
        total = total + settings.colorfulness * len(color) * torch.stack(color).sum()
    return PasdLoss(total, denoising, removal, color)


def denoising_loss(
    prediction: Float[Tensor, "batch channels height width"], target: Float[Tensor, "batch channels height width"]
) -> Scalar:
    """L_DF: mean squared error, in float32 whatever the networks run in."""
    return functional.mse_loss(prediction.float(), target.float())


def degradation_removal_losses(rgbs: Sequence[Picture], clean: Picture) -> tuple[Scalar, ...]:
    """L_DR, one term a scale: mean absolute error against the clean picture resized to it."""
    return tuple(functional.l1_loss(rgb.float(), resize_target(clean, rgb)) for rgb in rgbs)


def resize_target(clean: Picture, rgb: Picture) -> Picture:
    """The clean picture at a to-RGB output's size: bilinear without antialiasing, as published."""
    return functional.interpolate(clean.float(), size=rgb.shape[-2:], mode="bilinear", align_corners=False)


def colorfulness_losses(rgbs: Sequence[Picture]) -> tuple[Scalar, ...]:
    """One minus Hasler and Suesstrunk's colourfulness of each to-RGB output, summed over the batch."""
    return tuple((1.0 - _colorfulness(rgb.float())).sum() for rgb in rgbs)


def _colorfulness(rgb: Picture) -> Float[Tensor, " batch"]:
    """sqrt(var(rg) + var(yb)) + 0.3 sqrt(mean(rg)^2 + mean(yb)^2), with unbiased variances.

    The least variance keeps the gradient of a grey picture finite.
    """
    red, green, blue = rgb.flatten(2).unbind(dim=1)
    opponents = torch.stack([(red - green).abs(), ((red + green) / 2.0 - blue).abs()])
    spread = (opponents.var(dim=-1).sum(dim=0) + _SMALLEST_VARIANCE).sqrt()
    shift = (opponents.mean(dim=-1).square().sum(dim=0) + _SMALLEST_VARIANCE).sqrt()
    return spread + 0.3 * shift
