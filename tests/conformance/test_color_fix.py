"""Wavelet and AdaIN colour corrections, as numbers and as pictures."""

import golden_data
import numpy as np
import pytest
import torch
from PIL import Image

from pasd_batch.config.sampling import ColorFix
from pasd_batch.pasd.color_fix import fix_color, wavelet_split


def read(name: str) -> torch.Tensor:
    pixels = np.asarray(Image.open(golden_data.FOLDER / "golden" / name).convert("RGB"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]


def cases() -> list[tuple[int, dict]]:
    return list(enumerate(golden_data.load("color_fix").description["files"])) if golden_data.names("color_fix") else []


@pytest.mark.parametrize("kind", [ColorFix.WAVELET, ColorFix.ADAIN])
@pytest.mark.parametrize(("number", "files"), cases())
def test_color_fix(number: int, files: dict, kind: ColorFix):
    golden = golden_data.load("color_fix")
    limit = golden.description["float_tolerance"]["abs"]
    target, source = read(files["target"]) / 255, read(files["source"]) / 255
    fixed = fix_color(target, source, kind)
    error = (fixed - golden.tensors[f"float_{kind}_{number}"]).abs()
    assert error.max() <= limit, f"largest error {error.max():.3g}, mean {error.mean():.3g}"
    levels = (fixed.clamp(0, 1) * 255).floor()
    difference = (levels - read(files[kind])).abs()
    assert difference.max() <= 1
    assert (difference > 0).float().mean() < 0.001


@pytest.mark.parametrize(("number", "files"), cases())
def test_wavelet_parts(number: int, files: dict):
    golden = golden_data.load("color_fix")
    detail, low = wavelet_split(read(files["target"]) / 255)
    golden.check(detail, f"high_{number}")
    golden.check(low, f"low_{number}")
