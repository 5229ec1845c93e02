"""Settings that adapt, in the restorer itself: by each photo alone, and the same pixels in any company."""

import pytest
import torch

from pasd_batch.config.adaptation import AdaptationMap

CLASSES = [{"severity": 0, "kept_frequencies": 0.5}, {"severity": 0.5, "kept_frequencies": 0.0, "steps": 2}]
MAP = AdaptationMap.parse({"scales": [{"noise_sigma": [3, 8], "classes": CLASSES}]})
SETTINGS = {"scale": 1.0, "steps": 1, "guidance_scale": 1.0, "alpha_a": 0.5}


@pytest.fixture
def clean_and_noisy(photograph):
    """A photo, and the same one under noise of 25 levels."""
    clean = photograph[:, :96, 100:196]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return [clean, (clean + noise * 25 / 255).clamp(0, 1)]


def restore(restorer, photos):
    return restorer.restore(photos, prompts=[""] * len(photos), seeds=[1] * len(photos))


def test_each_photo_is_restored_as_its_class_says_whatever_else_is_in_the_batch(make_restorer, clean_and_noisy):
    adapting = make_restorer(**SETTINGS, adapt=True, adaptation=MAP)
    together = restore(adapting, clean_and_noisy)
    alone = [restore(adapting, [photo])[0] for photo in clean_and_noisy]
    fixed = [make_restorer(**SETTINGS | {"kept_frequencies": 0.5}), make_restorer(**SETTINGS | {"steps": 2})]
    for one, two, restorer, photo in zip(together, alone, fixed, clean_and_noisy, strict=True):
        assert torch.equal(one.image, two.image)
        assert torch.equal(one.image, restore(restorer, [photo])[0].image)
    reports = [result.report for result in together]
    assert [(report.kept_frequencies, report.steps) for report in reports] == [(0.5, 1), (0.0, 2)]
    assert (reports[0].severity, reports[1].severity) == (0.0, 1.0)


def test_without_adapting_a_report_has_no_severity(make_restorer, clean_and_noisy):
    (result, _) = restore(make_restorer(**SETTINGS), clean_and_noisy)
    assert (result.report.severity, result.report.kept_frequencies) == (None, 0.0)
