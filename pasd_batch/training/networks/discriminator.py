"""A discriminator of patches, for the adversarial term of the losses on restored pictures."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

Verdicts = Float[Tensor, "batch 1 _rows _columns"]
"""Above 0 where a patch is taken for a clean photo's."""

_GROUPS = 8


class PatchDiscriminator(nn.Module):
    """Convolutions with group normalisation: a verdict for every 8 x 8 pixels, on 40 x 40 around them.

    Spectral normalisation (arXiv 1802.05957) of so many layers leaves verdicts that do not differ in bfloat16; here the
    slope is held by a penalty instead. The head computes in float32 whatever the rest does.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            *_halving(width, 2 * width),
            *_halving(2 * width, 4 * width),
            *_halving(4 * width, 8 * width),
        )
        self.head = nn.Conv2d(8 * width, 1, 3, padding=1)

    def forward(self, pictures: Float[Tensor, "batch 3 _height _width"]) -> Verdicts:
        """Judge pictures in [-1, 1]."""
        features = self.features(pictures)
        with torch.autocast(features.device.type, enabled=False):
            return self.head(features.float())


def _halving(narrow: int, wide: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(narrow, wide, 4, stride=2, padding=1), nn.GroupNorm(_GROUPS, wide), nn.LeakyReLU(0.2)
