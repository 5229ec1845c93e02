"""Frozen networks of the losses (perceptual distance, teacher), made faster on a GPU in low precision."""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pasd_batch.config.model import Precision


def prepare_loss_networks(loss_networks: Sequence[nn.Module], precision: Precision, device: torch.device) -> None:
    """On a GPU in low precision: channels-last layout, weights in that precision, blur pools as matrix products.

    Call it after `frozen_digests`, which must be of the weights as they were read.
    """
    if device.type != "cuda" or precision is Precision.FLOAT32:
        return
    for network in loss_networks:
        nn.Module.to(network, memory_format=torch.channels_last)
        cast_weights(network, getattr(torch, precision.value))
        replace_blur_pools(network)


def cast_weights(network: nn.Module, dtype: torch.dtype) -> None:
    """Round the weights of convolutions and linear layers as autocast does at each call, so that no bit changes."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.to(dtype)


def replace_blur_pools(network: nn.Module) -> None:
    """Replace a network's BlurPool layers (arXiv 1904.11486), which ST-LPIPS has after every pooling."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(getattr(child, "pad", None), nn.ReflectionPad2d) and isinstance(
                getattr(child, "filt", None), Tensor
            ):
                setattr(parent, name, BlurPool(child))


class BlurPool(nn.Module):
    """BlurPool (reflection padding, separable blur, subsampling) as one matrix for rows and one for columns.

    torch's reflection padding converts features to NCHW, and its depthwise convolution is slow in low precision.
    In float32 results differ by rounding (1e-6 of the largest value), in bfloat16 by one more rounding between rows and
    columns (2^-8).
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        filters = layer.get_buffer("filt")
        # Not used any more, but checkpoints hold it.
        self.register_buffer("filt", filters)
        self.stride = cast(int, layer.stride)
        left, right, top, bottom = cast(nn.ReflectionPad2d, layer.pad).padding
        self._paddings = {"rows": (top, bottom), "columns": (left, right)}
        self._taps = {"rows": filters[0, 0].sum(1).tolist(), "columns": filters[0, 0].sum(0).tolist()}
        self._made: dict[tuple[str, int, torch.device], Tensor] = {}

    def forward(self, features: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels _h _w"]:
        """Blur features and subsample them by `stride`."""
        batch, channels, height, width = features.shape
        rows, columns = (
            self._matrix(axis, size, features.device) for axis, size in (("rows", height), ("columns", width))
        )
        pixels = features.permute(0, 2, 3, 1).reshape(batch, height, width * channels)
        pixels = torch.bmm(rows.expand(batch, -1, -1), pixels).reshape(batch * len(rows), width, channels)
        pixels = torch.bmm(columns.expand(len(pixels), -1, -1), pixels)
        return pixels.reshape(batch, len(rows), len(columns), channels).permute(0, 3, 1, 2)

    def _matrix(self, axis: str, size: int, device: torch.device) -> Float[Tensor, "made size"]:
        """Matrix of padding, blur and subsampling along an axis; cached, since a CUDA graph cannot create it."""
        key = (axis, size, device)
        if key not in self._made:
            before, after = self._paddings[axis]
            taps = self._taps[axis]
            # Values of the padded axis by their places in the plain one.
            padded = [-place if place < 0 else place for place in range(-before, size + after)]
            padded = [2 * (size - 1) - place if place >= size else place for place in padded]
            made = (len(padded) - len(taps)) // self.stride + 1
            matrix = torch.zeros(made, size)
            for row in range(made):
                for tap, weight in enumerate(taps):
                    matrix[row, padded[row * self.stride + tap]] += weight
            self._made[key] = matrix.to(device)
        return self._made[key]
