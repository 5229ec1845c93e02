"""Film grain: spatially correlated brightness noise, strongest in the midtones."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from pasd_batch.config.old_photo import GrainSettings
from pasd_batch.degradation.batch_tensors import per_photo
from pasd_batch.degradation.draws import Draws, NoiseSource
from pasd_batch.degradation.filtering import gaussian_blur
from pasd_batch.degradation.strength import contract

_SIZE = (0.4, 1.1)
"""Radius (standard deviation) of a grain, pixels."""

_DEEPEST = 0.35


@dataclass(frozen=True)
class GrainParameters:
    """Grain of one photo: `amount` is its standard deviation in the midtones, `size` a grain's radius in pixels."""

    amount: float
    size: float


def sample_grain(settings: GrainSettings, draws: Draws, *, strength: float = 1.0) -> GrainParameters:
    """Draw the grain of one photo; amount 0 where it has none."""
    visible = draws.bernoulli(settings.probability)
    amount = draws.uniform(contract(settings.amount, strength=strength))
    return GrainParameters(amount=amount if visible else 0.0, size=draws.uniform(_SIZE))


def add_grain(
    photos: Float[Tensor, "batch 3 height width"], parameters: Sequence[GrainParameters], noise: NoiseSource
) -> Float[Tensor, "batch 3 height width"]:
    """Add each photo's grain, the same in all channels; in and out within [0, 1]."""
    if not any(each.amount for each in parameters):
        return photos
    height, width = photos.shape[-2:]
    grain = gaussian_blur(noise.normal((len(photos), 1, height, width)), [each.size for each in parameters])
    grain = grain / grain.std(dim=(-2, -1), keepdim=True).clamp(min=1e-6)
    brightness = photos.mean(dim=1, keepdim=True)
    visibility = _DEEPEST + (1.0 - _DEEPEST) * 4.0 * brightness * (1.0 - brightness)
    amounts = per_photo([each.amount for each in parameters], photos)
    return (photos + amounts * visibility * grain).clamp(0.0, 1.0)
