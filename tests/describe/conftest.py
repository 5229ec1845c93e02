"""Photos to describe."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def scenes() -> list[np.ndarray]:
    """Six photos of four sizes, uint8 (height, width, 3), one of them three pixels high."""
    from skimage import data

    cat, coffee, rocket = data.chelsea(), data.coffee(), data.rocket()
    cuts = (cat[60:156, 160:288], coffee[100:196, 120:248], rocket[:96, 300:428], cat[:, :100], coffee[:3, :6], rocket)
    return [np.ascontiguousarray(cut) for cut in cuts]
