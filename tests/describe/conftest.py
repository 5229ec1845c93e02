"""Describers of tiny models, loaded as the real ones are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny_describers import save_describer


@pytest.fixture(scope="session")
def describer_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the folder of one of the tiny models, to be read only."""
    root, saved = tmp_path_factory.mktemp("describers"), {}

    def folder(kind: str) -> Path:
        if kind not in saved:
            saved[kind] = save_describer(kind, root / kind)
        return saved[kind]

    return folder


@pytest.fixture(scope="session")
def scenes() -> list[np.ndarray]:
    """Six photos of four sizes, uint8 (height, width, 3), one of them three pixels high."""
    from skimage import data

    cat, coffee, rocket = data.chelsea(), data.coffee(), data.rocket()
    cuts = (cat[60:156, 160:288], coffee[100:196, 120:248], rocket[:96, 300:428], cat[:, :100], coffee[:3, :6], rocket)
    return [np.ascontiguousarray(cut) for cut in cuts]
