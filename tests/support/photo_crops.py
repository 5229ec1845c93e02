"""Crops of a real photograph."""

import numpy as np
import torch
from skimage import data


def astronaut_crops():
    """49 crops (3, 64, 64) in [-1, 1]."""
    photo = torch.from_numpy(data.astronaut().astype(np.float32)).permute(2, 0, 1) / 127.5 - 1.0
    return [photo[:, top : top + 64, left : left + 64] for top in range(0, 448, 64) for left in range(0, 448, 64)]
