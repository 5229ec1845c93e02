from dataclasses import replace

import numpy as np
import pytest
import tiny_models
import torch
from photo_archive import loaded, settings

from pasd_batch.batch.worker.model_stage import ModelStage, ProcessPoisoned
from pasd_batch.batch.worker.models import WorkerModels
from pasd_batch.batch.worker.overlap import DeadlineExceeded
from pasd_batch.photos.photo import GRAY_BACKGROUND
from pasd_batch.records import Score


def stage(restorer=None, scorer=None):
    return ModelStage(settings("/run"), WorkerModels(restorer, scorer))


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


@pytest.mark.parametrize(("error", "level"), [(DeadlineExceeded("too long"), "INFO"), (KeyError("x"), "WARNING")])
def test_only_what_nobody_foresaw_is_a_warning_with_its_traceback(caplog, error, level):
    class Failing:
        def restore(self, photos, **options):
            raise error

    with caplog.at_level("INFO"):
        stage(restorer=Failing()).restore([loaded(0)])
    assert [entry.levelname for entry in caplog.records] == [level]


def test_a_note_on_an_error_is_told_in_the_row():
    class Noted:
        def restore(self, photos, **options):
            error = ValueError("no such scheduler")
            error.add_note("in pass 2 of 2")
            raise error

    (failure,) = stage(restorer=Noted()).restore([loaded(0)])
    assert (failure.error_type, failure.message) == ("ValueError", "no such scheduler; in pass 2 of 2")


@pytest.mark.parametrize(("first", "grey"), [({"colorize": True}, [False, False]), ({}, [True, False])])
def test_a_grey_photo_has_colours_from_the_pass_on_that_colorizes(first, grey):
    passes = [{"sampling": first}, {"sampling": {"colorize": True}}]
    restoration = {"model": {"base": "sd", "control": "color"}, "passes": passes}
    model = ModelStage(settings("/run", restoration=restoration), WorkerModels(None, None))
    photo = loaded(0)
    image = torch.zeros(3, 8, 8)
    photo = replace(photo, photo=replace(photo.photo, grayscale=True))
    made = model.photos_of(photo, tiny_models.Restored(image, "", earlier=(image,)))
    assert [each.grayscale for each in made] == grey
    (last,) = model.photos_of(photo, tiny_models.Restored(image, ""))
    assert not last.grayscale


def test_what_a_restoration_warns_of_stands_in_the_row():
    class Warning:
        def restore(self, photos, **options):
            return [tiny_models.Restored(photos[0], "a", warnings=("its prompt is long",))]

    photo = loaded(0)
    stage(restorer=Warning()).restore([photo])
    assert photo.state.row.warnings == ["its prompt is long"]


class BrokenScorer(LostGpu):
    def score(self, photo, restored, reference):
        raise ZeroDivisionError("division by zero")


def test_a_scorer_that_fails_as_a_whole_gives_scores_without_values():
    photo = loaded(0)
    stage(scorer=BrokenScorer()).score(photo, None)
    names = [column.name for column in BrokenScorer.columns]
    assert photo.state.row.scores == dict.fromkeys(names)
    assert photo.state.row.score_errors == "; ".join(f"{name}: ZeroDivisionError: division by zero" for name in names)


class PixelScorer:
    """Keeps what it is given."""

    columns = tiny_models.TinyScorer.columns

    def score(self, photo, restored, reference):
        self.seen = (photo, restored, reference)
        return []


def test_transparent_photos_are_scored_as_they_are_seen():
    alpha = np.zeros((4, 6), np.float32)
    alpha[:, :2] = 1.0
    alpha[:, 2] = 0.5
    scorer = PixelScorer()
    photo = replace(loaded(0).photo, pixels=np.ones((4, 6, 3), np.float32), alpha=alpha)
    black_below = replace(photo, pixels=np.repeat((alpha[..., np.newaxis] > 0).astype(np.float32), 3, axis=2))
    stage(scorer=scorer).score(replace(loaded(0), photo=photo, reference=black_below), black_below)
    for seen in scorer.seen:
        np.testing.assert_array_equal(seen[0, :, 0], [1, 1, 0.75, GRAY_BACKGROUND, GRAY_BACKGROUND, GRAY_BACKGROUND])
        np.testing.assert_array_equal(seen, scorer.seen[0])
    opaque = loaded(0)
    stage(scorer=scorer).score(opaque, None)
    assert scorer.seen[0] is opaque.photo.pixels
