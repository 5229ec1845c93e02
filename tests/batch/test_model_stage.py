from collections import deque

import numpy as np
import pytest
import tiny_models
from photo_archive import record, settings

from pasd_batch.batch.intake import LoadedPhoto
from pasd_batch.batch.model_stage import BATCH_PIXELS, ModelStage, ProcessPoisoned, take_batch
from pasd_batch.batch.models import Models
from pasd_batch.batch.trail import PhotoTask, PhotoTrail
from pasd_batch.data.photo import Photo, PhotoMetadata
from pasd_batch.records import Score


def loaded(number, height=8, width=8):
    pixels = np.full((height, width, 3), 0.5, np.float32)
    photo = Photo(pixels, alpha=None, bit_depth=8, grayscale=False, metadata=PhotoMetadata("PNG"))
    return LoadedPhoto(PhotoTrail(PhotoTask(number, record(f"/{number}.png"))), photo, None)


def stage(restorer=None, scorer=None):
    return ModelStage(settings("/run"), Models(restorer, scorer))


def numbers(photos):
    return [photo.trail.task.row for photo in photos]


def test_a_batch_is_the_first_photo_and_others_of_like_size():
    ready = deque([loaded(0, 40, 60), loaded(1, 400, 60), loaded(2, 64, 64), loaded(3, 30, 30), loaded(4, 65, 60)])
    assert numbers(take_batch(ready, 4)) == [0, 2, 3]
    assert numbers(take_batch(ready, 4)) == [1]
    assert numbers(take_batch(ready, 4)) == [4]


def test_a_batch_is_bounded_in_photos_and_pixels():
    ready = deque(loaded(number) for number in range(5))
    assert numbers(take_batch(ready, 3)) == [0, 1, 2]
    side = int((BATCH_PIXELS / 2) ** 0.5) + 64
    large = deque(loaded(number, side, side) for number in range(3))
    assert numbers(take_batch(large, 3)) == [0]


class LostGpu:
    columns = tiny_models.TinyScorer.columns

    def restore(self, photos, **options):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def score(self, photo, restored, reference):
        return [Score("contrast_input", None, "AcceleratorError: CUDA error: unspecified launch failure")]


def test_a_lost_gpu_ends_the_process_and_fails_no_photo():
    with pytest.raises(ProcessPoisoned, match="illegal memory access"):
        stage(restorer=LostGpu()).restore([loaded(0), loaded(1)])
    with pytest.raises(ProcessPoisoned, match="unspecified launch failure"):
        stage(scorer=LostGpu()).score(loaded(0), None)


class BrokenScorer(LostGpu):
    def score(self, photo, restored, reference):
        raise ZeroDivisionError("division by zero")


def test_a_scorer_that_fails_as_a_whole_gives_scores_without_values():
    scores = stage(scorer=BrokenScorer()).score(loaded(0), None)
    assert [score.name for score in scores] == [column.name for column in BrokenScorer.columns]
    assert {(score.value, score.error) for score in scores} == {(None, "ZeroDivisionError: division by zero")}
