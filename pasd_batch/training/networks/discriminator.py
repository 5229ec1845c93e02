"""A discriminator of patches, for the adversarial term of the losses on restored pictures."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Verdicts = Float[Tensor, "batch 1 _rows _columns"]
"""Above 0 where a patch is taken for a clean photo's."""

_CHANNELS = 3
_GROUPS = 8
_FINE_STRUCTURE = ((0.25, -0.5, 0.25), (-0.5, 1.0, -0.5), (0.25, -0.5, 0.25))
"""Difference of two Laplacians, blind to edges (Immerkaer 1996)."""

_FINE_GAIN = 8.0
"""Brings it to about the contrast of pictures."""


class PatchDiscriminator(nn.Module):
    """Convolutions with group normalisation: a verdict for every 8 x 8 pixels, on 40 x 40 around them.

    Spectral normalisation (arXiv 1802.05957) of so many layers leaves verdicts that do not differ in bfloat16; here the
    slope is held by a penalty instead. The head computes in float32 whatever the rest does.

    Beside the picture it sees the picture's fine structure by itself, which is small beside its contrast: with that it
    told restored pictures with a grid from photos after 20 steps, without it not after 100 (docs/training.md).
    """

    fine: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        kernel = _FINE_GAIN * torch.tensor(_FINE_STRUCTURE).expand(_CHANNELS, 1, 3, 3)
        self.register_buffer("fine", kernel, persistent=False)
        self.features = nn.Sequential(
            nn.Conv2d(2 * _CHANNELS, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            *_halving(width, 2 * width),
            *_halving(2 * width, 4 * width),
            *_halving(4 * width, 8 * width),
        )
        self.head = nn.Conv2d(8 * width, 1, 3, padding=1)

    def forward(self, pictures: Float[Tensor, "batch 3 _height _width"]) -> Verdicts:
        """Judge pictures in [-1, 1]."""
        # In low precision what is fine would be lost in what is not.
        with torch.autocast(pictures.device.type, enabled=False):
            pictures = pictures.float()
            fine = functional.conv2d(pictures, self.fine, padding=1, groups=_CHANNELS)
        features = self.features(torch.cat([pictures, fine], dim=1))
        with torch.autocast(features.device.type, enabled=False):
            return self.head(features.float())


def _halving(narrow: int, wide: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(narrow, wide, 4, stride=2, padding=1), nn.GroupNorm(_GROUPS, wide), nn.LeakyReLU(0.2)
