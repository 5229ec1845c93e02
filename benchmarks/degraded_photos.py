"""Photos for measurements: true ones, and what is left of them behind Real-ESRGAN's chain at half their size."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pasd_batch.config.degradation import RealEsrganSettings
from pasd_batch.degradation.chain import degrade_photo


def degraded_pairs(folder: Path, *, count: int, side: int, strength: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """True photos and their degraded halves, float32 (height, width, 3) in [0, 1]; the seed is the photo's number.

    Args:
        folder: photos, of which `count` are taken, spread over it.
        count: photos.
        side: side of the middle square that is taken of each, in pixels.
        strength: of the degradation, 0 to 1.
    """
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    places = np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int)
    half = side // 2
    for seed, path in enumerate(paths[place] for place in places):
        photo = Image.open(path).convert("RGB")
        left, top = photo.width // 2 - half, photo.height // 2 - half
        true = np.asarray(photo.crop((left, top, left + 2 * half, top + 2 * half)), np.float32) / 255
        settings = RealEsrganSettings(strength=strength)
        degraded = degrade_photo(torch.from_numpy(true).permute(2, 0, 1), seed=seed, settings=settings)
        levels = (degraded.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        small = Image.fromarray(levels).resize((half, half), Image.Resampling.BOX)
        yield true, np.asarray(small, np.float32) / 255
