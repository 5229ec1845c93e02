"""Batches that are made on the device: the same photos and cuts as elsewhere, and a training that resumes exactly."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_training import settings, values

from pasd_batch.config.base import ConfigError
from pasd_batch.config.training import parse_training
from pasd_batch.training.data.crops import Augmentation, augment
from pasd_batch.training.data.photo_index import list_photos
from pasd_batch.training.data.resident_feed import resident_feed
from pasd_batch.training.data.resident_photos import load_resident_photos
from pasd_batch.training.data.sample_order import BatchPlan
from pasd_batch.training.errors import TrainingError

CPU = torch.device("cpu")
PLAN = BatchPlan(batch_size=6, accumulation=1, world_size=1, rank=0)


def data_settings(work, **more):
    return settings(work, data={**values(work)["data"], "on_device_mib": 16, **more}).data


def load(data):
    return load_resident_photos(list_photos(data.sources, data.storage), data, CPU, threads=2)


def test_crops_are_pieces_of_the_photos(work):
    photos = load(data_settings(work))
    rows = [3, 0, 3, 5]
    cuts = [
        Augmentation(top=top, left=left, flipped=flipped, caption_dropped=False)
        for top, left, flipped in [(0, 0, False), (32, 7, True), (11, 32, False), (32, 32, True)]
    ]
    crops = photos.crops(rows, cuts, side=32)
    for row, cut, crop in zip(rows, cuts, crops, strict=True):
        whole = np.asarray(Image.open(work / "photos" / photos.names[row].removeprefix("0/"))).copy()
        expected = augment(torch.from_numpy(whole).permute(2, 0, 1).float() / 255.0, cut, side=32)
        assert torch.equal(crop, expected)


def test_small_photos_are_enlarged_and_bad_ones_replaced(work):
    Image.new("RGB", (40, 33), (10, 200, 30)).save(work / "photos" / "a-small.png")
    (work / "photos" / "b-broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    photos = load(data_settings(work, samples={"crop_size": 48, "smallest_side": 32}))
    assert photos.shapes[0] is not None
    assert min(photos.shapes[0][1:]) >= 48
    assert photos.shapes[1] is None
    assert photos.skipped.total() == 1
    feed = resident_feed(photos, data_settings(work, samples={"crop_size": 48}), PLAN, seed=0)
    batches = list(feed(range(4)))
    names = {name for made in batches for name in made.batch.names}
    assert "0/a-small.png" in names
    assert "" not in names
    assert [sum(made.skipped.values()) for made in batches] == [1, 0, 0, 0]


def test_batches_follow_from_their_numbers_alone(work):
    data = data_settings(work, group_size=4)
    feed = resident_feed(load(data), data, PLAN, seed=7)
    through = list(feed(range(3)))
    (again,) = feed(range(2, 3))
    assert torch.equal(again.batch.clean, through[2].batch.clean)
    assert torch.equal(again.batch.degraded, through[2].batch.degraded)
    assert again.batch.names == through[2].batch.names
    assert len({made.batch.degraded.sum().item() for made in through}) == 3
    other = next(iter(resident_feed(load(data), data, PLAN, seed=8)(range(2, 3))))
    assert not torch.equal(other.batch.degraded, again.batch.degraded)


@pytest.mark.parametrize("chain", ["realesrgan", "old_photo", "bicubic", "grayscale"])
def test_every_chain_degrades_what_it_is_given(work, chain):
    data = data_settings(work, samples={"crop_size": 32, "smallest_side": 32, "degradation": {"chain": chain}})
    made = next(iter(resident_feed(load(data), data, PLAN, seed=0)(range(1))))
    clean, degraded = made.batch.clean, made.batch.degraded
    assert clean.shape == degraded.shape == (6, 3, 32, 32)
    assert -1.0 <= float(clean.min()) < 0.0 < float(clean.max()) <= 1.0
    assert 0.0 <= float(degraded.min()) <= float(degraded.max()) <= 1.0
    assert bool(((2.0 * degraded - 1.0 - clean).abs().amax(dim=(1, 2, 3)) > 0.01).all())


def test_photos_beyond_the_memory_are_refused(work):
    side = np.zeros((700, 700, 3), np.uint8)
    Image.fromarray(side).save(work / "photos" / "large.png")
    with pytest.raises(TrainingError, match=r"more than data\.on_device_mib 1"):
        load(data_settings(work, on_device_mib=1))


def test_a_set_of_bad_photos_is_refused(work):
    for photo in (work / "photos").glob("*.png"):
        photo.write_bytes(b"no photo")
    with pytest.raises(TrainingError, match="6 of 6 photos could not be used"):
        load(data_settings(work))


def test_ray_and_photos_on_the_device_do_not_go_together(work):
    chosen = values(work, data={**values(work)["data"], "on_device_mib": 16, "loaders": 1}, workers={"ray": True})
    with pytest.raises(ConfigError, match=r"on_device_mib needs workers\.ray: false"):
        parse_training(chosen)
