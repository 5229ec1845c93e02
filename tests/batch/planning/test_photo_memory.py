"""Memory that restoring a photo takes, told from its size: what was measured, and how it grows."""

import pytest

from pasd_batch.batch.planning.estimate import photo_work
from pasd_batch.batch.planning.photo_memory import LatentSpace, restoring_bytes
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.padding import choose_sizes


def gigabytes(width, height, **sampling):
    return photo_work(RestorationSettings.parse({"sampling": sampling}))(width, height, None).memory / 1e9


def test_the_promise_for_a_very_large_photo():
    assert gigabytes(12000, 9000, scale=2.0) <= 4.0


@pytest.mark.parametrize(("width", "height", "measured"), [(1500, 1000, 1.54), (5000, 2600, 1.15)])
def test_what_was_measured(width, height, measured):
    """By benchmarks/huge_photo.py, whose VAE has the embedded one's latents and is narrower."""
    sizes = choose_sizes(Size(height, width), scale=2.0, min_short_side=256, multiple=32)
    told = restoring_bytes(sizes, SamplingSettings(scale=2.0, steps=1), LatentSpace(48, (1, 1, 1, 4)))
    assert told / 1e9 == pytest.approx(measured, rel=0.3)


def test_more_is_told_for_more_steps_and_for_a_vae_that_looks_at_the_whole():
    more_steps = gigabytes(12000, 9000, scale=2.0, steps=4)
    assert more_steps > gigabytes(12000, 9000, scale=2.0) + 2.0
    named = RestorationSettings.parse({"model": {"base": "base", "control": "control"}, "sampling": {"scale": 2.0}})
    assert photo_work(named)(12000, 9000, None).memory > 50e9
