"""Settings that all trainings share."""

import pytest

from pasd_batch.config.base import ConfigError
from pasd_batch.config.trainer import ValidationSettings


def test_validation_photos_are_as_large_as_the_clean_ones():
    shrinking = {"chain": "bicubic", "scale": 4, "resize_back": False}
    with pytest.raises(ConfigError, match=r"degradation\.resize_back is off"):
        ValidationSettings.parse({"degradation": shrinking})
    mixture = {"chain": "mixture", "shares": [{"weight": 1, "degradation": shrinking}]}
    with pytest.raises(ConfigError, match=r"degradation\.resize_back is off"):
        ValidationSettings.parse({"degradation": mixture})
    assert ValidationSettings.parse({"degradation": {**shrinking, "resize_back": True}}).degradation is not None
