"""Networks and photos that the tests of PASD share; nothing under test is imported before the tests' own imports."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """One thread: tests that compare bits should not depend on how many there are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def models(tiny_model_folder: Path) -> Any:
    """The tiny model's networks in float32; a test that hooks into them takes its hooks off again."""
    from tiny_model import tiny_settings

    from pasd_batch.pasd.models import load_models

    return load_models(tiny_settings(tiny_model_folder).model)


@pytest.fixture
def make_restorer(models: Any, tiny_model_folder: Path) -> Callable[..., Any]:
    """Builds restorers that share the networks, from sampling settings."""
    from tiny_model import tiny_settings

    from pasd_batch.pasd.restorer import Restorer

    return lambda **sampling: Restorer(models, tiny_settings(tiny_model_folder, **sampling))


@pytest.fixture
def model_copy(tiny_model_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may damage."""
    return Path(shutil.copytree(tiny_model_folder, tmp_path / "model"))


@pytest.fixture(scope="session")
def photograph() -> Tensor:
    """A real photograph, float32 (3, 512, 512), sRGB in [0, 1]; tests take the part they need."""
    return torch.from_numpy(data.astronaut().astype(np.float32)).permute(2, 0, 1) / 255
