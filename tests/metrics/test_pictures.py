"""Large pictures are compared band by band, with the numbers of whole ones."""

import numpy as np
import pytest

from pasd_batch.metrics import pictures
from pasd_batch.metrics.fidelity import fidelity


@pytest.mark.parametrize(("height", "width"), [(70, 50), (35, 60), (41, 33)])
@pytest.mark.parametrize("scale", [0.6, 1.0, 2.0])
def test_fidelity_in_bands_is_that_of_the_whole(monkeypatch, height, width, scale):
    draws = np.random.default_rng(0)
    photo = draws.random((height, width, 3), np.float32)
    restored = draws.random((round(height * scale), round(width * scale), 3), np.float32)
    whole = fidelity(photo, restored)
    monkeypatch.setattr(pictures, "MOST_WHOLE", 0)
    monkeypatch.setattr(pictures, "_ROWS_AT_ONCE", 16)
    banded = fidelity(photo, restored)
    assert banded.psnr == pytest.approx(whole.psnr, rel=1e-5)
    assert banded.ssim == pytest.approx(whole.ssim, rel=1e-4, abs=1e-6)
    assert banded.color_difference == pytest.approx(whole.color_difference, rel=1e-5)


def test_integers_are_compared_as_the_floats_they_stand_for():
    draws = np.random.default_rng(0)
    photo, restored = (draws.integers(0, 256, size, dtype=np.uint8) for size in ((30, 40, 3), (60, 80, 3)))
    floats = [each / np.float32(255) for each in (photo, restored)]
    assert fidelity(photo, restored) == fidelity(*floats)
