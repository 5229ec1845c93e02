"""Pictures of one size scored together: the same values as one by one, and only where that is known."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyiqa
import pytest
import torch
from pyiqa.utils import download_util

from pasd_batch.config.metrics import Baseline
from pasd_batch.metrics import scorer as scorer_module
from pasd_batch.metrics.iqa import METRIC_VARIANTS, Metric
from pasd_batch.metrics.scorer import Scorer
from pasd_batch.metrics.weights import BATCHED, METRIC_NEEDS

QUICK = ("lpips", "stlpips", "cnniqa", "unique", "paq2piq", "wadiqam_fr")
"""Networks that are small enough to be built for a test; the others were measured once."""
PLAIN = tuple(sorted(name for name in BATCHED if not METRIC_NEEDS[name].files))


@pytest.fixture
def built(monkeypatch, tmp_path):
    """Builds a metric of pyiqa, with random weights where it has any."""

    def fetch(url, target, *_, **__):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).touch()

    monkeypatch.setattr(download_util, "DEFAULT_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(download_util, "download_url_to_file", fetch)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    monkeypatch.setattr(torch, "load", lambda *_, **__: _Nothing())
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", lambda *_, **__: None)
    torch.manual_seed(0)

    def build(name):
        theirs, options = METRIC_VARIANTS.get(name, (name, {}))
        device = torch.device("cpu")
        return Metric(name, pyiqa.create_metric(theirs, device=device, **options), device)

    return build


class _Nothing(dict):
    def __missing__(self, key):
        return _Nothing()


def photos(side, count=3):
    drawn = np.random.default_rng(0).random((count, side // 8, side // 8 + 1, 3))
    return list(np.kron(drawn, np.ones((1, 8, 8, 1))).astype(np.float32))


@pytest.mark.parametrize("name", [*PLAIN, *QUICK])
def test_photos_have_the_same_score_together_as_each_alone(name, built):
    metric = built(name)
    several = photos(max(64, -(-metric.min_side // 8) * 8))
    reference = photos(several[0].shape[0], 4)[3:] if METRIC_NEEDS[name].reference else []
    alone = [metric(photo, *reference) for photo in several]
    assert len(set(alone)) == 3
    assert metric.together(several, *reference) == pytest.approx(alone, rel=1e-4)


def test_only_on_a_gpu_and_only_metrics_that_are_known_for_it():
    cuda, cpu = SimpleNamespace(type="cuda"), SimpleNamespace(type="cpu")
    assert Metric("lpips", None, cuda).takes_batches
    assert not Metric("lpips", None, cpu).takes_batches
    assert not Metric("niqe", None, cuda).takes_batches
    assert METRIC_NEEDS.keys() >= BATCHED


class Counting:
    """The mean of a picture, with a note of how many came at a time; more than two are too many for its memory."""

    higher_is_better, takes_batches, min_side = True, True, 1

    def __init__(self, name):
        self.name, self.calls = name, []

    def __call__(self, photo, reference=0.0):
        self.calls.append(1)
        return float((photo - reference).mean())

    def together(self, pictures, reference=0.0):
        self.calls.append(len(pictures))
        if len(pictures) > 2:
            raise torch.OutOfMemoryError("too many")
        return [float((photo - reference).mean()) for photo in pictures]


@pytest.mark.parametrize(("side", "calls"), [(8, [1, 2]), (16, [3, 1, 1, 1])])
def test_a_photos_pictures_of_one_size_are_scored_together_or_else_one_by_one(side, calls, monkeypatch):
    monkeypatch.setattr(scorer_module, "METRIC_MEANINGS", {"quality": "quality", "likeness": "likeness"})
    quality, likeness = Counting("quality"), Counting("likeness")
    scorer = Scorer([quality], [likeness], max_pixels=1000, baseline=Baseline.LANCZOS, restores=True)
    photo, restored, truth = np.full((side, side, 3), 0.25), np.full((16, 16, 3), 0.5), np.full((16, 16, 3), 0.125)
    found = {score.name: score.value for score in scorer.score(photo, restored, truth)}
    assert sorted(quality.calls) == sorted(calls)
    assert likeness.calls == [2]
    assert found["quality_input"] == found["quality_before"] == pytest.approx(0.25)
    assert (found["quality_after"], found["likeness_before"], found["likeness"]) == pytest.approx((0.5, 0.125, 0.375))
