from collections import deque

import pytest
import torch
from photo_archive import loaded

from pasd_batch.batch.worker.batching import BATCH_PIXELS, ON_CPU, ON_GPU, holds_full_batch, photo_batch, take_batch
from pasd_batch.config.run import RunSettings


def numbers(photos):
    return [photo.state.record.row for photo in photos]


def test_a_batch_has_tiles_of_one_size_and_the_largest_goes_first():
    """Photos of other sizes have the same tiles where small ones are worked on enlarged, or large ones cut alike."""
    sizes = [(400, 60), (40, 60), (600, 900), (60, 400), (64, 64)]
    ready = deque(loaded(number, *size) for number, size in enumerate(sizes))
    assert numbers(take_batch(ready, 4)) == [1, 2, 4]
    assert numbers(take_batch(ready, 4)) == [0]
    assert numbers(take_batch(ready, 4)) == [3]
    assert not ready


def test_noise_levels_and_kept_frequencies_of_their_own_part_no_photos_and_other_settings_do():
    ready = deque(loaded(number) for number in range(5))
    changes = [{}, {"alpha_a": 0.3}, {"steps": 3}, {"kept_frequencies": 0.2, "added_noise_level": 500}, {"scale": 1.0}]
    for photo, change in zip(ready, changes, strict=True):
        photo.state.sampling = photo.state.sampling.model_copy(update=change)
    assert numbers(take_batch(ready, 5)) == [0, 1, 3]
    assert numbers(take_batch(ready, 5)) == [2]


def test_a_batch_of_one_is_whoever_came_first():
    ready = deque([loaded(0, 400, 60), loaded(1), loaded(2)])
    assert numbers(take_batch(ready, 1)) == [0]
    assert holds_full_batch(ready, 1)


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
    assert holds_full_batch([loaded(0, side, side), loaded(1)], 3)


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
