"""Finding and reading golden data, and comparing with it at the tolerance each file recommends."""

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

FOLDER = Path(os.environ.get("PASD_CONFORMANCE", Path(__file__).parents[1] / "golden"))
"""Any folder in the layout that tests/golden/README.md describes."""


@dataclass(frozen=True)
class Golden:
    """One golden file: what was computed, and its tensors."""

    name: str
    description: dict[str, Any]
    tensors: dict[str, torch.Tensor]

    def check(self, actual: torch.Tensor, tensor: str) -> None:
        """Compare with a stored tensor: max|a-b| <= rel * max|expected|."""
        relative = self.description["recommended_tolerance"]["rel"]
        assert_close(actual, self.tensors[tensor], relative=relative, what=f"{self.name}: {tensor}")


def names(pattern: str) -> list[str]:
    """Stems of the folder's golden files that match, sorted."""
    return sorted(path.stem for path in (FOLDER / "golden").glob(f"{pattern}.json"))


@cache
def load(name: str) -> Golden:
    """Read a golden file by its stem."""
    description = json.loads((FOLDER / "golden" / f"{name}.json").read_text())
    tensors = FOLDER / "golden" / f"{name}.safetensors"
    return Golden(name, description, load_file(tensors) if tensors.is_file() else {})


def model_folder(description: str) -> Path:
    """Folder that a description such as `tiny/pasd/{unet,controlnet}` is about; skips if it was left out."""
    folder = FOLDER / description.split("/{")[0]
    if not folder.is_dir():
        pytest.skip(f"this folder has no {description}")
    return folder


def assert_close(actual: torch.Tensor, expected: torch.Tensor, *, relative: float, what: str) -> None:
    """Fail with the largest and mean error if they differ by more than `relative` of the largest expected value."""
    assert actual.shape == expected.shape, f"{what}: shape {tuple(actual.shape)} instead of {tuple(expected.shape)}"
    error = (actual.double() - expected.double()).abs()
    limit = relative * float(expected.double().abs().max())
    assert float(error.max()) <= limit, (
        f"{what}: largest error {error.max():.3g}, mean {error.mean():.3g} > {limit:.3g}"
    )


def relative_tolerance(text: str) -> float:
    """The relative tolerance that a description of golden data names."""
    return float(re.findall(r"relative ([\d.e-]+\d)", text)[0])
