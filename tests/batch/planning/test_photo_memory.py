"""Memory that restoring a photo takes, told from its size: what was measured, and how it grows."""

import json

import pytest

from pasd_batch.batch.planning.photo_memory import EMBEDDED, ModelShape, restoring_bytes
from pasd_batch.batch.planning.photo_work import photo_work
from pasd_batch.config.embedded_model import EMBEDDED_MODEL
from pasd_batch.config.restoration import RestorationSettings
from pasd_batch.config.sampling import SamplingSettings
from pasd_batch.manifests.workload import Beside
from pasd_batch.pasd.geometry import Size
from pasd_batch.pasd.padding import choose_sizes


def gigabytes(width, height, beside=None, **sampling):
    tells = photo_work(RestorationSettings.parse({"sampling": sampling}))
    return tells(width, height, None, beside or Beside()).memory / 1e9


@pytest.mark.skipif(not EMBEDDED_MODEL.is_dir(), reason="the package was built without weights")
def test_the_embedded_models_shape_is_that_of_its_networks():
    unet = json.loads((EMBEDDED_MODEL / "unet" / "config.json").read_text())
    assert (EMBEDDED.channels, EMBEDDED.width) == (unet["in_channels"], unet["block_out_channels"][0])


def test_the_promise_for_a_very_large_photo():
    """By the sum; with 48 latent channels benchmarks/huge_photo.py measured 3.98 GB."""
    assert 3.5 < gigabytes(12000, 9000, scale=2.0) <= 4.0


@pytest.mark.parametrize(("width", "height", "measured"), [(1500, 1000, 1.59), (5000, 2600, 1.02)])
def test_what_was_measured(width, height, measured):
    """By benchmarks/huge_photo.py, whose VAE has the embedded one's latents and is narrower."""
    sizes = choose_sizes(Size(height, width), scale=2.0, min_short_side=256, multiple=32)
    told = restoring_bytes(sizes, SamplingSettings(scale=2.0, steps=1), ModelShape(48, (1, 1, 1, 4)))
    assert told / 1e9 == pytest.approx(measured, rel=0.3)


def test_more_is_told_for_more_steps_and_for_a_vae_that_looks_at_the_whole():
    more_steps = gigabytes(12000, 9000, scale=2.0, steps=4)
    assert more_steps > gigabytes(12000, 9000, scale=2.0) + 2.0
    named = RestorationSettings.parse({"model": {"base": "base", "control": "control"}, "sampling": {"scale": 2.0}})
    assert photo_work(named)(12000, 9000, None).memory > 50e9


@pytest.mark.parametrize(
    ("beside", "sampling", "more"),
    [
        # 216 million pixels of the photo, 4 times as many of the result. Maps have it worked on as a whole.
        (Beside(mask=True), {}, 60.0),
        (Beside(color_reference=True), {}, 60.0),
        (Beside(reference=True), {}, 1.2),
        (Beside(), {"regions": [{"class": "face", "fidelity": 1}]}, 60.0),
        (Beside(), {"retry_weak": {"enabled": True}}, 1.2),
        (Beside(), {"steps": 4, "step_cache": 2}, 432e6 / 64 * 160 * 4 / 1e9 - 2.0),
    ],
)
def test_what_is_held_beside_a_photo_is_in_it(beside, sampling, more):
    plain = {name: value for name, value in sampling.items() if name == "steps"}
    assert gigabytes(12000, 9000, beside, **sampling) > gigabytes(12000, 9000, **plain) + more
