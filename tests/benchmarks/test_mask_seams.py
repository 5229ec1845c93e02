"""`benchmarks/mask_seams.py`: a border that is seen is told from one that is not."""

import runpy
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_a_seam_is_a_border_whose_step_is_larger_than_those_beside_it(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    seam = runpy.run_path(str(BENCHMARKS / "mask_seams.py"))["seam"]
    mask = torch.zeros(64, 64)
    mask[20:40, 24:] = 1.0
    texture = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.2
    smooth = torch.linspace(0.2, 0.3, 64).expand(3, 64, 64)
    half = torch.zeros(64, 64)
    half[:, :32] = 1.0
    assert seam(smooth.clone(), half) == pytest.approx(1.0, abs=0.01)
    assert seam(texture, mask) == pytest.approx(1.0, abs=0.1)
    assert seam(texture + 0.3 * mask, mask) > 3.0
    assert seam(torch.where(half > 0, 0.25, texture + 0.15), half) < 1.5
