"""Crops that are far larger than the photos they are cut from."""

import logging

import pytest
from tiny_training import settings, write_photos

from pasd_batch.config.storage import StorageSettings
from pasd_batch.config.training_data import PhotoSource
from pasd_batch.errors import PasdBatchError
from pasd_batch.training.data.crop_check import warn_of_large_crops
from pasd_batch.training.data.photo_index import list_photos
from pasd_batch.training.loop.validation import load_validation_photos
from pasd_batch.training.trainer import train


def checked(folder, crop_size, *, smallest_side=16):
    index = list_photos([PhotoSource(path=str(folder))], StorageSettings())
    warn_of_large_crops(index, crop_size, setting="crop", max_bytes=1 << 20, smallest_side=smallest_side)


def test_crops_far_larger_than_photos_are_told_with_sizes_and_the_remedy(tmp_path, caplog):
    write_photos(tmp_path, count=3, side=64)
    write_photos(tmp_path / "larger", count=2, side=100)
    checked(tmp_path, 256)
    assert "crop is 256, and the shorter sides of 5 photos that were looked at have 64 to 100 pixels" in caplog.text
    assert "enlarged 4.0 times" in caplog.text
    assert "set crop to 64 or less, or give larger photos" in caplog.text


@pytest.mark.parametrize("crop_size", [8, 64, 128])
def test_crops_about_as_large_as_photos_are_not_told(tmp_path, caplog, crop_size):
    checked(write_photos(tmp_path, count=3, side=64), crop_size)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_photos_that_are_skipped_or_cannot_be_read_do_not_count(tmp_path, caplog):
    write_photos(tmp_path, count=3, side=24)
    (tmp_path / "broken.png").write_bytes(b"no photo")
    checked(tmp_path, 512, smallest_side=32)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_few_photos_of_many_are_looked_at(tmp_path, caplog):
    checked(write_photos(tmp_path, count=9, side=32), 256)
    assert "shorter sides of 9 photos" in caplog.text
    index = list_photos([PhotoSource(path=str(tmp_path))] * 5, StorageSettings())
    caplog.clear()
    warn_of_large_crops(index, 256, setting="crop", max_bytes=1 << 20, smallest_side=16)
    assert "shorter sides of 15 photos" in caplog.text


def test_a_training_tells_it_before_its_model_is_built(work, caplog, monkeypatch):
    def stop(*_):
        raise PasdBatchError("far enough")

    monkeypatch.setattr("pasd_batch.training.trainer.build_task", stop)
    data = {"sources": [{"kind": "photos", "path": str(work / "photos")}], "samples": {"crop_size": 1024}, "loaders": 0}
    with pytest.raises(PasdBatchError, match="far enough"):
        train(settings(work, data=data))
    assert "data.samples.crop_size is 1024" in caplog.text


def test_a_validation_tells_it_too(work, caplog):
    validation = {"sources": [{"kind": "photos", "path": str(work / "photos")}], "photos": 1, "crop_size": 256}
    load_validation_photos(settings(work, validation=validation))
    assert "validation.crop_size is 256" in caplog.text
