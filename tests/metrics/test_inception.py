"""Inception features and FID against pyiqa's own, with the same random weights from a file."""

import numpy as np
import pytest
import torch
from PIL import Image
from pyiqa.archs import fid_arch
from pyiqa.utils import download_util

from pasd_batch.config.metrics import MetricsSettings
from pasd_batch.metrics.frechet_distance import FrechetDistance
from pasd_batch.metrics.inception import InceptionFeatures
from pasd_batch.metrics.iqa import MetricsUnavailable

WEIGHTS = "hub/pyiqa/pt_inception-2015-12-05-6726825d.pth"
COMPARED = 192
"""Dimensions of the FIDs that are compared: pyiqa takes half a minute for the root of a matrix of all 2048."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photos of two sets, and random weights as the published ones are stored."""
    from torchvision.models import inception_v3

    root = tmp_path_factory.mktemp("inception")
    path = root / WEIGHTS
    path.parent.mkdir(parents=True)
    torch.manual_seed(0)
    network = inception_v3(num_classes=1008, aux_logits=False, init_weights=False)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    torch.save(network.state_dict(), path)
    drawn = np.random.default_rng(0)
    for side in ("results", "truths"):
        (root / side).mkdir()
        for number in range(2):
            small = Image.fromarray(drawn.integers(0, 256, (9, 7, 3), dtype=np.uint8))
            small.resize((200 + number, 150), Image.Resampling.BICUBIC).save(root / side / f"{number}.png")
    return root


@pytest.fixture
def settings(folder, monkeypatch):
    monkeypatch.setattr(download_util, "DEFAULT_CACHE_DIR", str(folder / "hub" / "pyiqa"))
    return MetricsSettings(weights_dir=folder, device="cpu")


def test_features_and_fid_are_pyiqas(folder, settings):
    extractor = InceptionFeatures.from_settings(settings)
    ours, theirs = {}, {}
    for side in ("results", "truths"):
        photos = [np.asarray(Image.open(path), np.float32) / 255 for path in sorted((folder / side).iterdir())]
        ours[side] = np.stack([extractor(photo) for photo in photos])
        theirs[side] = fid_arch.get_folder_features(
            str(folder / side),
            extractor.network,
            num_workers=0,
            batch_size=1,
            device=torch.device("cpu"),
            verbose=False,
        )
        assert ours[side].shape == (2, 2048)
        np.testing.assert_array_equal(ours[side], theirs[side])
    distance = FrechetDistance()
    distance.update(ours["results"][:, :COMPARED], ours["truths"][:, :COMPARED])
    few = [part[:, :COMPARED] for part in (theirs["results"], theirs["truths"])]
    moments = [(part.mean(axis=0), np.cov(part, rowvar=False)) for part in few]
    own = fid_arch.frechet_distance(*moments[0], *moments[1])
    assert own > 0.01
    assert distance.value() == pytest.approx(own, rel=1e-4)


def test_missing_weights_are_named_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(download_util, "DEFAULT_CACHE_DIR", str(tmp_path / "hub" / "pyiqa"))
    with pytest.raises(MetricsUnavailable, match=r"metric fid needs .*pt_inception-2015-12-05-6726825d.pth; on a comp"):
        InceptionFeatures.from_settings(MetricsSettings(weights_dir=tmp_path))
