"""Degradation removal module (DRM): a convolutional pyramid with features that are free of degradation.

Section 3.1 of arXiv 2308.14469. Features at 1/2, 1/4 and 1/8 of the photo; at each scale a to-RGB convolution
predicts the clean photo, so that an L1 loss teaches the features to ignore degradation. The last feature map is
the embedding that is added after the control branch's first convolution.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pixel_unshuffle, silu

ESRGAN_FEATURES, ESRGAN_GROWTH = 64, 32
"""Channels of ESRGAN's features, and those that each convolution in a dense block adds."""

_SHUFFLE = 4
"""Pixels of a side that `RrdbDegradationRemoval` takes as channels."""


class DegradationRemoval(NamedTuple):
    """Outputs of the module for a photo."""

    embedding: Float[Tensor, "batch channels height/8 width/8"]
    """Added to the first feature map of the control branch."""

    rgbs: tuple[Float[Tensor, "batch 3 _h _w"], ...] | None
    """Clean photo in [-1, 1] at 1/2, 1/4 and 1/8, finest first; None without to-RGB heads or unless asked."""


class DegradationRemovalModule(nn.Module):
    """Photo in [0, 1] -> embedding at 1/8 of its size and, per scale, the clean photo it predicts."""

    def __init__(
        self,
        embedding_channels: int,
        widths: Sequence[int] = (16, 32, 96, 256),
        *,
        image_channels: int = 3,
        use_rrdb: bool = False,
        return_rgbs: bool = True,
    ) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(image_channels, widths[0], 3, padding=1)
        # The published weights carry this spelling.
        self.preprocesser = nn.Sequential(RRDB(widths[0]), RRDB(widths[0])) if use_rrdb else None
        self.blocks = nn.ModuleList()
        for narrow, wide in pairwise(widths):
            self.blocks.append(nn.Conv2d(narrow, narrow, 3, padding=1))
            self.blocks.append(nn.Conv2d(narrow, wide, 3, padding=1, stride=2))
        self.to_rgbs = nn.ModuleList(nn.Conv2d(wide, 3, 3, padding=1) for wide in widths[1:]) if return_rgbs else None
        self.conv_out = nn.Conv2d(widths[-1], embedding_channels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # pyright: ignore[reportArgumentType]

    @property
    def halo(self) -> int:
        """Photo pixels that a tile needs around it, the receptive field's radius rounded up to a multiple of 8."""
        scales = len(self.blocks) // 2
        radius = 1 + sum(2 * 2**scale for scale in range(scales)) + 2**scales
        if self.preprocesser is not None:
            radius += 2 * RRDB.RADIUS
        return -(-radius // 8) * 8

    def forward(
        self, image: Float[Tensor, "batch channels height width"], *, with_rgbs: bool = True
    ) -> DegradationRemoval:
        """Embed a photo in [0, 1] whose sides are multiples of 8; the to-RGB heads are for training."""
        to_rgbs = self.to_rgbs if with_rgbs else None
        features = silu(self.conv_in(image))
        if self.preprocesser is not None:
            features = self.preprocesser(features)
        rgbs: list[Tensor] = []
        for scale in range(len(self.blocks) // 2):
            features = silu(self.blocks[2 * scale](features))
            features = silu(self.blocks[2 * scale + 1](features))
            if to_rgbs is not None:
                rgbs.append(to_rgbs[scale](features))
        return DegradationRemoval(self.conv_out(features), None if to_rgbs is None else tuple(rgbs))


class RrdbDegradationRemoval(nn.Module):
    """DRM whose features come from an RRDBNet (arXiv 1809.00219) at 1/4 of the photo, without its upsampling layers.

    Called as `DegradationRemovalModule`. The layers up to `conv_body` are those of Real-ESRGAN (arXiv 2107.10833), so
    that its blocks, or some of them, may be the initial weights.
    """

    halo = 192
    """Photo pixels around a tile. The receptive field is larger, but what lies farther changes an embedding by less
    than 1e-4 of its standard deviation (six of Real-ESRGAN's blocks, trained further, on a photo; with 96: 0.25)."""

    def __init__(
        self,
        embedding_channels: int,
        blocks: int,
        *,
        image_channels: int = 3,
        features: int = ESRGAN_FEATURES,
        growth: int = ESRGAN_GROWTH,
        return_rgbs: bool = True,
    ) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(image_channels * _SHUFFLE**2, features, 3, padding=1)
        self.body = nn.Sequential(*(RRDB(features, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(features, features, 3, padding=1)
        self.to_rgbs = nn.ModuleList([nn.Conv2d(features, 3, 3, padding=1)]) if return_rgbs else None
        self.conv_out = nn.Conv2d(features, embedding_channels, 3, padding=1, stride=2)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # pyright: ignore[reportArgumentType]

    def features(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch _f _h _w"]:
        """The network's features of a photo in [0, 1], at 1/4 of its size."""
        first = self.conv_first(pixel_unshuffle(image, _SHUFFLE))
        return first + self.conv_body(self.body(first))

    def forward(
        self, image: Float[Tensor, "batch channels height width"], *, with_rgbs: bool = True
    ) -> DegradationRemoval:
        """Embed a photo in [0, 1] whose sides are multiples of 8; the to-RGB head, at 1/4, is for training."""
        features = self.features(image)
        rgbs = None if self.to_rgbs is None or not with_rgbs else tuple(head(features) for head in self.to_rgbs)
        return DegradationRemoval(self.conv_out(features), rgbs)


AnyDegradationRemoval = DegradationRemovalModule | RrdbDegradationRemoval
"""A degradation removal module of either kind."""


class RRDB(nn.Module):
    """Residual-in-residual dense block (arXiv 1809.00219): three dense blocks, residual factor 0.2."""

    RADIUS = 15

    def __init__(self, features: int, growth: int | None = None) -> None:
        super().__init__()
        self.rdb1 = ResidualDenseBlock(features, growth)
        self.rdb2 = ResidualDenseBlock(features, growth)
        self.rdb3 = ResidualDenseBlock(features, growth)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        """Refine a feature map of unchanged shape."""
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class ResidualDenseBlock(nn.Module):
    """Five 3x3 convolutions, each reading everything before it (arXiv 1809.00219); in PASD, growth = features."""

    def __init__(self, features: int, growth: int | None = None) -> None:
        super().__init__()
        added = features if growth is None else growth
        self.conv1 = nn.Conv2d(features, added, 3, padding=1)
        self.conv2 = nn.Conv2d(features + added, added, 3, padding=1)
        self.conv3 = nn.Conv2d(features + 2 * added, added, 3, padding=1)
        self.conv4 = nn.Conv2d(features + 3 * added, added, 3, padding=1)
        self.conv5 = nn.Conv2d(features + 4 * added, features, 3, padding=1)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        """Refine a feature map of unchanged shape."""
        seen = [x]
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen.append(leaky_relu(convolution(torch.cat(seen, dim=1)), negative_slope=0.2))
        return x + 0.2 * self.conv5(torch.cat(seen, dim=1))
