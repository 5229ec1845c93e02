"""Pictures that the training tests share."""

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor


@pytest.fixture(scope="session")
def photo() -> Tensor:
    """A real photograph, float32 (3, 96, 128), sRGB in [0, 1]."""
    pixels = np.asarray(data.astronaut())[60:156, 160:288]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255.0


@pytest.fixture(scope="session")
def photos() -> Tensor:
    """Three different photographs, float32 (3, 3, 64, 80), sRGB in [0, 1]."""
    sources = (data.astronaut(), data.coffee(), data.chelsea())
    crops = [torch.from_numpy(np.asarray(source)[100:164, 120:200].copy()) for source in sources]
    return torch.stack(crops).permute(0, 3, 1, 2).float() / 255.0
