"""Compiled blocks of small networks, by a compiler that changes nothing: forms that were compiled, and errors.

A script, since the checks of types that pytest puts into functions would be compiled, too.
"""

import json
import sys

import torch
from torch._dynamo.testing import CompileCounter

from pasd_batch.pasd.channels_last import run_channels_last
from pasd_batch.pasd.compilation import compile_blocks
from pasd_batch.pasd.control_branch import ControlBranch
from pasd_batch.pasd.guidance import Guidance, GuidedDenoiser, TileBatch
from pasd_batch.pasd.unet import PixelAwareUNet

SIZES = {
    "block_out_channels": (16,),
    "down_block_types": ("CrossAttnDownBlock2D",),
    "layers_per_block": 1,
    "cross_attention_dim": 8,
    "attention_head_dim": 2,
    "norm_num_groups": 4,
}


def main() -> None:
    unet = PixelAwareUNet(up_block_types=("CrossAttnUpBlock2D",), **SIZES).eval()
    branch = ControlBranch(conditioning_embedding_out_channels=(4, 8), **SIZES).eval()
    counter = CompileCounter()
    sizes = ((8, 8), (8, 8), (8, 12), (8, 8), (8, 12))
    for network in (unet, branch):
        run_channels_last(network)
    expected = {size: predict(unet, branch, *size) for size in sizes}
    for network in (unet, branch):
        compile_blocks(network, backend=counter)
    forms, errors = [], []
    for size in sizes:
        errors.append(float((predict(unet, branch, *size) - expected[size]).abs().max()))
        forms.append(counter.frame_count)
    blocks = sum(type(each).__name__ in unet._repeated_blocks for each in [*unet.modules(), *branch.modules()])
    json.dump({"forms": forms, "errors": errors, "blocks": blocks}, sys.stdout)


@torch.inference_mode()
def predict(unet: PixelAwareUNet, branch: ControlBranch, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    batch = TileBatch(draw(1, 4, height, width), draw(1, 16, height, width), draw(1, 3, 8), draw(1, 3, 8))
    return GuidedDenoiser(unet, branch, Guidance(3.0))(batch, torch.tensor(500))


if __name__ == "__main__":
    main()
