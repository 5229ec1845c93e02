"""Film grain: spatially correlated brightness noise, strongest in the midtones."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.old_photo import GrainSettings
from pasd_batch.training.draws import Draws, NoiseSource
from pasd_batch.training.filtering import soften

_DEEPEST = 0.35


@dataclass(frozen=True)
class GrainParameters:
    """Grain of one photo: `amount` is its standard deviation in the midtones, `size` a grain's radius in pixels."""

    amount: float
    size: float


def sample_grain(settings: GrainSettings, draws: Draws) -> GrainParameters:
    """Draw the grain of one photo; amount 0 where it has none."""
    visible = draws.flag(settings.probability)
    amount = draws.uniform(settings.amount)
    return GrainParameters(amount=amount if visible else 0.0, size=draws.uniform(settings.size))


def add_grain(
    photo: Float[Tensor, "3 height width"], parameters: GrainParameters, noise: NoiseSource
) -> Float[Tensor, "3 height width"]:
    """Add the same grain to all channels; in and out within [0, 1]."""
    if parameters.amount == 0.0:
        return photo
    height, width = photo.shape[-2:]
    grain = soften(noise.normal((1, 1, height, width)), parameters.size)[0, 0]
    grain = grain / grain.std().clamp(min=1e-6)
    brightness = photo.mean(dim=0)
    visibility = _DEEPEST + (1.0 - _DEEPEST) * 4.0 * brightness * (1.0 - brightness)
    return (photo + parameters.amount * visibility * grain).clamp(0.0, 1.0)
