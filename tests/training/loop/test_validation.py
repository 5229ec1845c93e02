"""Validation: scores and pictures, checked before the first step."""

import logging
from dataclasses import replace

import pytest
import tiny_training
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_training import settings, values

from pasd_batch.storage.storage import Storage
from pasd_batch.training.errors import TrainingError
from pasd_batch.training.loop.training_log import read_log
from pasd_batch.training.loop.validation import ValidationPhoto, score_validation
from pasd_batch.training.trainer import train
from pasd_batch.training.worker_setup import build_task


def test_validation_measures_and_shows_restored_photos(work):
    source = [{"kind": "photos", "path": str(work / "photos")}]
    validation = {"every": 2, "sources": source, "photos": 2, "crop_size": 32}
    log = {"every": 1, "tensorboard": str(work / "board")}
    train(settings(work, steps=2, validation=validation, validation_sampling={"steps": 2}, log=log))
    (line,) = (line for line in read_log(Storage.open(str(work / "output"))) if line["kind"] == "validation")
    assert line["failed"] == 0
    assert 0 < line["psnr"] < line["psnr_input"] < 60
    pictures = sorted((work / "output" / "validation" / "step-00000002").iterdir())
    assert [picture.name for picture in pictures] == ["000-photo-0.png", "001-photo-1.png"]
    with Image.open(pictures[0]) as image:
        assert image.size == (96, 32)
    board = EventAccumulator(str(work / "board"))
    board.Reload()
    assert [event.step for event in board.Scalars("step/loss")] == [1, 2]
    assert {"step/learning_rate", "validation/psnr"} <= set(board.Tags()["scalars"])
    assert "validation/000-photo-0.png" in board.Tags()["images"]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"model": {"schedule": {"num_train_timesteps": 500}}}, "added_noise_level 900 is beyond"),
        ({"validation_sampling": {"scheduler": "UniPC"}}, "scheduler 'UniPC' is not a diffusers scheduler"),
    ],
)
def test_validation_that_cannot_sample_is_refused_before_the_first_step(work, more, complaint):
    model = tiny_training.scratch(work / "base", **more.get("model", {}))
    more = {name: value for name, value in more.items() if name != "model"}
    validation = {"sources": values(work)["data"]["sources"], "photos": 1, "crop_size": 32}
    with pytest.raises(TrainingError, match=f"{complaint}.*change validation_sampling"):
        train(settings(work, model=model, validation=validation, **more))
    assert not (work / "output" / "checkpoints").exists()
    train(settings(work, output=str(work / "unvalidated"), steps=1, model=model, **more))


def test_a_photo_without_a_caption_is_restored_with_the_prompt_that_is_set(work):
    task = build_task(settings(work, validation_sampling={"steps": 1, "prompt": "a red house"}))
    photo = ValidationPhoto("a", "", torch.rand(3, 32, 32), torch.rand(3, 32, 32), 5)
    captioned, other = (replace(photo, caption=caption) for caption in ("a red house", "a tree"))
    first, second, third = task.restore([photo, captioned, other])
    assert first is not None
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_a_grid_is_measured_and_warned_of_where_a_crop_is_large_enough(caplog):
    clean = torch.rand(3, 256, 256, generator=torch.Generator().manual_seed(1)) * 0.02 + 0.4
    photo = ValidationPhoto("a", "", clean, clean, 5)
    assert score_validation([photo], [clean]).scores["grid_flat"] == pytest.approx(1.0)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    dotted = clean.clone()
    dotted[:, ::8, ::8] += 0.05
    scores = score_validation([photo], [dotted]).scores
    assert min(scores["grid_flat"], scores["grid_edges"]) > 1.2
    assert "grid_flat is" in caplog.text
    small = ValidationPhoto("b", "", clean[:, :128, :128], clean[:, :128, :128], 5)
    assert "grid_flat" not in score_validation([small], [small.clean]).scores
