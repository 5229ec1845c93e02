"""Rows of a benchmark's contact sheet: the same part of a photo as every method left it, at the pixels' own size."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from pasd_batch.batch.worker.spec import photo_seed
from pasd_batch.evaluation.degraded import from_8_bit, to_8_bit
from pasd_batch.report.render import SheetPhoto

CELL = 320
"""Most pixels a side of what is shown of a photo."""


def sheet_row(name: str, pictures: Sequence[np.ndarray], *, cell: int = CELL) -> SheetPhoto:
    """The middle of every picture (float32 (height, width, 3) in [0, 1]), all of the same part of the photo.

    Pictures smaller than the largest are enlarged without smoothing, so that their own pixels are seen.
    """
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    left, top = max(0, width - cell) // 2, max(0, height - cell) // 2
    parts = []
    for picture in pictures:
        image = Image.fromarray(to_8_bit(picture)).resize((width, height), Image.Resampling.NEAREST)
        parts.append(from_8_bit(np.asarray(image.crop((left, top, left + min(cell, width), top + min(cell, height))))))
    return SheetPhoto(name, tuple(parts))


def choose_rows(names: Sequence[str], count: int, *, seed: int = 0) -> list[str]:
    """Which photos are shown: a choice that depends on seed and names alone, never on how they came out."""
    return sorted(sorted(names, key=lambda name: photo_seed(seed, f"sheet/{name}"))[:count])
