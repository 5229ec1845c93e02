"""Classes of regions that a detector does not know."""

import json

from tiny_describers import OBJECTS

from pasd_batch.config.regions import RegionSettings
from pasd_batch.describe.region_classes import unknown_classes

PERSON, FACE = (RegionSettings(class_name=name, fidelity=0.8) for name in ("Person", "face"))


def test_classes_that_a_detector_does_not_know_are_told_with_those_that_it_knows(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"id2label": OBJECTS}))
    assert unknown_classes([PERSON], tmp_path) is None
    told = unknown_classes([PERSON, FACE], tmp_path)
    assert told == "sampling.regions: the detector has no class 'face'; its classes are N/A, boat, dog, person"
    assert unknown_classes([FACE], tmp_path / "gone") is None
