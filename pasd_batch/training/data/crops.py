"""Random square crops, flips and dropped captions: drawn first, then applied."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from pasd_batch.config.training_samples import SampleSettings
from pasd_batch.degradation.draws import Draws
from pasd_batch.degradation.filtering import round_to_8_bit

_ENLARGEMENT_MARGIN = 0.02


@dataclass(frozen=True)
class Augmentation:
    """Augmentation of one photo; `top` and `left` are pixels of the photo, enlarged where it was too small."""

    top: int
    left: int
    flipped: bool
    caption_dropped: bool


def enlarge_to(photo: Float[Tensor, "3 height width"], side: int) -> Float[Tensor, "3 large_height large_width"]:
    """Enlarge (bicubic) a photo whose shorter side is below `side`, by a little more than needed, as published.

    The factor is side / shorter + 0.02, sizes are rounded up; the result is on the 8-bit grid. Others come back as is.
    """
    height, width = photo.shape[-2:]
    shorter = min(height, width)
    if shorter >= side:
        return photo
    factor = side / shorter + _ENLARGEMENT_MARGIN
    size = (math.ceil(height * factor), math.ceil(width * factor))
    # Antialiasing does not smooth an enlargement; it selects the same cubic as Pillow's.
    large = functional.interpolate(photo[None], size=size, mode="bicubic", antialias=True, align_corners=False)
    return round_to_8_bit(large[0])


def sample_augmentation(settings: SampleSettings, draws: Draws, *, height: int, width: int) -> Augmentation:
    """Draw crop, flip and caption drop for a photo of this size, at least a crop large."""
    return Augmentation(
        top=draws.integer(height - settings.crop_size + 1),
        left=draws.integer(width - settings.crop_size + 1),
        flipped=draws.bernoulli(settings.flip_probability),
        caption_dropped=draws.bernoulli(settings.caption_drop_probability),
    )


def augment(
    photo: Float[Tensor, "3 height width"], augmentation: Augmentation, *, side: int
) -> Float[Tensor, "3 side side"]:
    """Cut the crop out and mirror it."""
    crop = photo[:, augmentation.top : augmentation.top + side, augmentation.left : augmentation.left + side]
    return crop.flip(-1) if augmentation.flipped else crop.clone()
