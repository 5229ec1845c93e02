"""`benchmarks/harm.py`: which settings are measured, and what counts as harm."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from PIL import Image

from pasd_batch.config.embedded_model import EMBEDDED_MODEL
from pasd_batch.pasd.restoration import Restoration
from pasd_batch.pasd.restorer import Restorer

HARM = Path(__file__).parents[2] / "benchmarks" / "harm.py"


@pytest.fixture(scope="module")
def harm():
    return runpy.run_path(str(HARM))


def test_every_shipped_file_that_meets_the_embedded_model_is_measured(harm):
    names = [setting.name for setting in harm["settings"]()]
    assert names[:4] == [
        "restore",
        "restore --scale 1",
        "restore --scale 4",
        "restore --scale 1 --set sampling.adapt=false",
    ]
    assert names[4:] == ["demo.yaml", "restore_preview.yaml"]
    together = [setting.name for setting in harm["told_together"](harm["settings"]())]
    assert together[0] == "restore, demo.yaml, restore_preview.yaml"
    assert len(together) == 4
    assert all(setting.restoration.unused == [] for setting in harm["settings"]())
    warned = [setting.name for setting in harm["settings"]() if setting.restoration.cautions]
    assert warned == ["restore --scale 1 --set sampling.adapt=false"]


def test_a_result_is_compared_with_what_it_was_made_of(harm):
    class Darker:
        def restore(self, photos, *, prompts, seeds):
            large = torch.nn.functional.interpolate(photos[0][None], scale_factor=2, mode="nearest")[0]
            return [Restoration(large * 0.9, "", tiny_models.REPORT)]

    photo = Image.fromarray(np.full((32, 48, 3), 200, np.uint8))
    before, after = harm["measured"](photo, harm["KINDS"]["good (JPEG 95)"], Darker(), 2.0)
    assert before > 45
    assert 21 < after < 23


@pytest.mark.skipif(not EMBEDDED_MODEL.is_dir(), reason="the package was built without weights")
def test_at_their_own_size_the_model_in_the_package_takes_next_to_nothing_from_photos_and_noise_from_noisy_ones(harm):
    settings = next(each.restoration for each in harm["settings"]() if each.name == "restore --scale 1")
    restorer = Restorer.from_settings(settings)
    photos = [photo for _, photo in harm["photos"](None, 256, 2)][1:3]
    gained = {
        kind: [after - before for before, after in (harm["measured"](each, spoil, restorer, 1) for each in photos)]
        for kind, spoil in harm["KINDS"].items()
    }
    assert min(min(found) for found in gained.values()) > -0.5, gained
    assert min(gained["noise 15"]) > 1.0, gained
