"""PatchGAN discriminator, for the adversarial term of the losses on restored pictures."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Logits = Float[Tensor, "batch 1 _rows _columns"]
"""Logits per patch: above 0 for real (clean), below for fake."""

_CHANNELS = 3
_GROUPS = 8
_FINE_STRUCTURE = ((0.25, -0.5, 0.25), (-0.5, 1.0, -0.5), (0.25, -0.5, 0.25))
"""Difference of two Laplacians (Immerkaer 1996): zero on planes and on straight edges along an axis."""

_FINE_GAIN = 8.0
"""Gain that brings it to about the contrast of pictures."""


class PatchDiscriminator(nn.Module):
    """Convolutions with group normalisation: one logit per 8 x 8 pixels, with a receptive field of 40 x 40.

    With spectral normalisation (arXiv 1802.05957) of so many layers, logits do not differ in bfloat16; the Lipschitz
    constant is limited by an R1 penalty instead. The head computes in float32 whatever the rest does.

    A high-pass filtered copy of the picture is a further input: with it, restored pictures with a grid are separated
    from photos after 20 steps, without it not after 100 (docs/training.md).
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

    def forward(self, pictures: Float[Tensor, "batch 3 _height _width"]) -> Logits:
        """Logits of pictures in [-1, 1]."""
        # In low precision the high-pass response would be lost in rounding.
        with torch.autocast(pictures.device.type, enabled=False):
            pictures = pictures.float()
            fine = functional.conv2d(pictures, self.fine, padding=1, groups=_CHANNELS)
        features = self.features(torch.cat([pictures, fine], dim=1))
        with torch.autocast(features.device.type, enabled=False):
            return self.head(features.float())


def _halving(narrow: int, wide: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(narrow, wide, 4, stride=2, padding=1), nn.GroupNorm(_GROUPS, wide), nn.LeakyReLU(0.2)
