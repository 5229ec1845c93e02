from collections import deque

import pytest
import torch
from photo_archive import loaded

from pasd_batch.batch.worker.batching import BATCH_PIXELS, ON_CPU, ON_GPU, holds_full_batch, photo_batch, take_batch
from pasd_batch.config.run import RunSettings


def numbers(photos):
    return [photo.state.record.row for photo in photos]


def test_a_batch_is_of_like_size_and_the_largest_goes_first():
    ready = deque([loaded(0, 400, 60), loaded(1, 40, 60), loaded(2, 64, 64), loaded(3, 30, 30), loaded(4, 65, 60)])
    assert numbers(take_batch(ready, 4)) == [1, 2, 3]
    assert numbers(take_batch(ready, 4)) == [0]
    assert numbers(take_batch(ready, 4)) == [4]
    assert not ready


def test_a_batch_is_bounded_in_photos_and_pixels():
    ready = deque(loaded(number) for number in range(5))
    assert numbers(take_batch(ready, 3)) == [0, 1, 2]
    side = int((BATCH_PIXELS / 2) ** 0.5) + 64
    large = deque(loaded(number, side, side) for number in range(3))
    assert numbers(take_batch(large, 3)) == [0]


def test_a_batch_is_full_when_no_further_photo_fits():
    assert not holds_full_batch([loaded(0), loaded(1, 400, 60), loaded(2)], 3)
    assert holds_full_batch([loaded(0), loaded(1, 400, 60), loaded(2), loaded(3)], 3)
    side = int((BATCH_PIXELS / 2) ** 0.5) + 64
    assert holds_full_batch([loaded(0), loaded(1, side, side)], 3)


@pytest.mark.parametrize(
    ("mode", "device", "given", "most"),
    [
        ("restore", "cpu", None, ON_CPU),
        ("restore", "cuda", None, ON_GPU),
        ("restore", "cuda", 3, 3),
        ("restore", "cpu", 3, 3),
        ("score", "cuda", 3, 1),
    ],
)
def test_the_model_gets_as_many_as_settings_say_or_the_device_likes(monkeypatch, mode, device, given, most):
    monkeypatch.setattr("pasd_batch.pasd.device.choose_device", torch.device)
    settings = RunSettings.model_validate(
        {
            "mode": mode,
            "manifest": {"path": "photos"},
            "output": {"root": "run"},
            "restoration": {"model": {"device": device}},
            "workers": {"photo_batch": given},
        }
    )
    assert photo_batch(settings) == most
