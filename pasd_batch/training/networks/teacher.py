"""Teacher of the losses on pictures: Real-ESRGAN x4plus (arXiv 2107.10833), an RRDBNet (arXiv 1809.00219)."""

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from pasd_batch.pasd.degradation_removal import RRDB
from pasd_batch.pasd.state_dict import CheckpointError, assign_strictly

SCALE = 4
_BLOCK = "body.{}.rdb1.conv1.weight"
_REMEDY = "make the file with `python benchmarks/convert_real_esrgan.py PATH`"


class RrdbNet(nn.Module):
    """x4 upscaler; modules are named as in the published weights."""

    def __init__(self, *, features: int = 64, blocks: int = 23, growth: int = 32) -> None:
        super().__init__()
        self.growth = growth
        self.conv_first = nn.Conv2d(3, features, 3, padding=1)
        self.body = nn.Sequential(*(RRDB(features, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(features, features, 3, padding=1)
        self.conv_up1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv_up2 = nn.Conv2d(features, features, 3, padding=1)
        self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_last = nn.Conv2d(features, 3, 3, padding=1)

    def forward(self, small: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height*4 width*4"]:
        """Enlarge pictures in [0, 1]; the result may leave that range a little."""
        first = self.conv_first(small)
        features = first + self.conv_body(self.body(first))
        for convolution in (self.conv_up1, self.conv_up2):
            features = _rectified(convolution(interpolate(features, scale_factor=2.0, mode="nearest")))
        return self.conv_last(_rectified(self.conv_hr(features)))


@torch.no_grad()
def run_teacher(
    teacher: nn.Module, degraded: Float[Tensor, "batch 3 height width"]
) -> Float[Tensor, "batch 3 height width"]:
    """Restore degraded pictures in [0, 1], whose sides are multiples of 4, with the teacher; the result is in [-1, 1].

    A x4 upscaler, the teacher is given the pictures downsampled by 4.
    """
    small = interpolate(degraded, scale_factor=1.0 / SCALE, mode="bicubic", antialias=True, align_corners=False)
    return 2.0 * teacher(small.clamp(0.0, 1.0)).float().clamp(0.0, 1.0) - 1.0


def load_teacher(path: Path, *, setting: str) -> RrdbNet:
    """Load the weights, of any number and width of blocks, in float32 and frozen; the setting names them in errors.

    Raises:
        CheckpointError: there is no such file, or it holds something else.
    """
    try:
        weights = load_file(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such file ({setting}); {_REMEDY}") from None
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read as safetensors ({error}); {_REMEDY}") from error
    if _BLOCK.format(0) not in weights or "conv_first.weight" not in weights:
        raise CheckpointError(f"{path}: not the weights of an RRDBNet ({setting}); {_REMEDY}")
    with torch.device("meta"):
        network = RrdbNet(**_sizes(weights))
    assign_strictly(network, weights, source=str(path))
    return network.float().eval().requires_grad_(False)


def _sizes(weights: Mapping[str, Tensor]) -> dict[str, int]:
    blocks = sum(_BLOCK.format(number) in weights for number in range(len(weights)))
    return {
        "features": weights["conv_first.weight"].shape[0],
        "growth": weights[_BLOCK.format(0)].shape[0],
        "blocks": blocks,
    }


def _rectified(features: Tensor) -> Tensor:
    return leaky_relu(features, negative_slope=0.2)
