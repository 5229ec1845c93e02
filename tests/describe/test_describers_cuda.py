"""Describers on a GPU: the same finding alone and among others, in the worker's precision."""

import pytest
import torch
from tiny_describers import CAPTIONERS, DETECTORS

from pasd_batch.config.describe import DescribeSettings
from pasd_batch.describe.describer import Work
from pasd_batch.describe.loading import load_describers

NAMES = {"resnet": "classify", **dict.fromkeys(DETECTORS, "detect"), **dict.fromkeys(CAPTIONERS, "caption")}

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_neighbours_and_order_change_nothing(kind, dtype, describer_folder, scenes):
    settings = DescribeSettings.parse({NAMES[kind]: {"weights": str(describer_folder(kind)), "threshold": 0.2}})
    (describer,) = load_describers(settings, device=torch.device("cuda"), dtype=dtype)
    together = describer.describe(scenes, Work())
    assert any(finding.doubt is None for finding in together)
    assert describer.describe(scenes[::-1], Work())[::-1] == together
    assert [describer.describe([scene], Work())[0] for scene in scenes] == together
