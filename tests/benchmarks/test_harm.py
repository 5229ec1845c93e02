"""`benchmarks/harm.py`: which settings are measured, and what counts as harm."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from PIL import Image

from pasd_batch.pasd.restoration import Restoration

HARM = Path(__file__).parents[2] / "benchmarks" / "harm.py"


@pytest.fixture(scope="module")
def harm():
    return runpy.run_path(str(HARM))


def test_every_shipped_file_that_meets_the_embedded_model_is_measured(harm):
    names = [setting.name for setting in harm["settings"]()]
    assert names == ["restore", "restore --scale 1", "demo.yaml", "restore_preview.yaml"]
    assert all(setting.restoration.unused == [] for setting in harm["settings"]())
    warned = [setting.name for setting in harm["settings"]() if setting.restoration.cautions]
    assert warned == ["restore --scale 1"]


def test_a_result_is_compared_with_what_it_was_made_of(harm):
    class Darker:
        def restore(self, photos, *, prompts, seeds):
            large = torch.nn.functional.interpolate(photos[0][None], scale_factor=2, mode="nearest")[0]
            return [Restoration(large * 0.9, "", tiny_models.REPORT)]

    photo = Image.fromarray(np.full((32, 48, 3), 200, np.uint8))
    before, after = harm["measured"](photo, harm["KINDS"]["good (JPEG 95)"], Darker(), 2.0)
    assert before > 45
    assert 21 < after < 23
